package queue

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the queue's counters, and, as a collector, the number of slots
// in it: counted when somebody asks, so that it is true at any time.
type metrics struct {
	redelivered *prometheus.CounterVec
	panics      *prometheus.CounterVec
	places      *prometheus.GaugeVec

	sources []string
	engine  *engine
	pending *prometheus.Desc
}

// newMetrics registers the metrics of the sources, each series made now.
func newMetrics(reg prometheus.Registerer, sources []string, engine *engine) (*metrics, error) {
	m := &metrics{
		redelivered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "packseal_queue_redelivered_total",
			Help: "Slots handed out again, after a failure that may pass, a shutdown or the death of a worker.",
		}, []string{"source"}),
		panics: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "packseal_queue_panics_total",
			Help: "Panics caught while a slot was worked on.",
		}, []string{"source"}),
		places: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "packseal_queue_places",
			Help: "Reports that this replica may have in the making at once: its part of the source's max_in_flight.",
		}, []string{"source"}),
		sources: sources,
		engine:  engine,
		pending: prometheus.NewDesc("packseal_queue_pending",
			"Slots in the queue: waiting, at work, or waiting for another try.", []string{"source"}, nil),
	}
	for _, s := range sources {
		m.redelivered.WithLabelValues(s)
		m.panics.WithLabelValues(s)
		m.places.WithLabelValues(s)
	}
	for _, c := range []prometheus.Collector{m.redelivered, m.panics, m.places, m} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// placesOf returns the gauge of a source's places.
func (m *metrics) placesOf(source string) prometheus.Gauge {
	g, err := m.places.GetMetricWithLabelValues(source)
	if err != nil { // a name that no configuration can have
		return prometheus.NewGauge(prometheus.GaugeOpts{})
	}
	return g
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { ch <- m.pending }

// Collect implements prometheus.Collector. An engine that does not answer
// leaves the series out rather than claiming that the queue is empty.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	kept, err := m.engine.kept(ctx, "")
	if err != nil {
		return
	}
	count := make(map[string]uint64)
	for subject, n := range kept {
		source, _, _ := strings.Cut(strings.TrimPrefix(subject, m.engine.prefix.subjects()), ".")
		count[source] += n
	}
	for _, s := range m.sources {
		ch <- prometheus.MustNewConstMetric(m.pending, prometheus.GaugeValue, float64(count[token(s)]), s)
	}
}
