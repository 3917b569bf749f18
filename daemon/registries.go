package daemon

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"packseal.example/sink"
)

// registries hold all metrics: those of the process in one registry, and those of
// each source, of each sink and of the queue in one of their own. So what is opened
// anew counts on, and what is gone from the configuration has no series.
type registries struct {
	process *prometheus.Registry

	mu    sync.Mutex
	parts map[string]*prometheus.Registry
	sinks map[string]*sink.Metrics
}

func newRegistries() *registries {
	r := &registries{process: prometheus.NewRegistry(), parts: make(map[string]*prometheus.Registry), sinks: make(map[string]*sink.Metrics)}
	r.process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// part returns the registry of a part, made if need be.
func (r *registries) part(name string) *prometheus.Registry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.parts[name] == nil {
		r.parts[name] = prometheus.NewRegistry()
	}
	return r.parts[name]
}

// set makes reg the registry of a part.
func (r *registries) set(name string, reg *prometheus.Registry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts[name] = reg
}

// source returns the registry of a source.
func (r *registries) source(name string) *prometheus.Registry { return r.part("source " + name) }

// sink returns the metrics of a sink.
func (r *registries) sink(name string) *sink.Metrics {
	reg := r.part("sink " + name)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sinks[name] == nil {
		r.sinks[name] = sink.NewMetrics(reg, []string{name})
	}
	return r.sinks[name]
}

// keep drops the metrics of what the configuration does not name.
func (r *registries) keep(c *components) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for part := range r.parts {
		kind, name, _ := strings.Cut(part, " ")
		_, isSource := c.sources[name]
		_, isSink := c.sinks[name]
		switch {
		case kind == "source" && !isSource:
			delete(r.parts, part)
		case kind == "sink" && !isSink:
			delete(r.parts, part)
			delete(r.sinks, name)
		}
	}
}

// Gather implements [prometheus.Gatherer].
func (r *registries) Gather() ([]*dto.MetricFamily, error) {
	r.mu.Lock()
	all := prometheus.Gatherers{r.process}
	for _, reg := range r.parts {
		all = append(all, reg)
	}
	r.mu.Unlock()
	return all.Gather()
}
