package daemon

import (
	"cmp"
	"maps"
	goruntime "runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/config"
)

// reloadStatus is how the last reload went.
type reloadStatus struct {
	ok, at  prometheus.Gauge
	refused atomic.Pointer[refusal] // nil while the file is in force
}

func newReloadStatus() *reloadStatus {
	s := &reloadStatus{
		ok: prometheus.NewGauge(prometheus.GaugeOpts{Name: "packseal_config_last_reload_successful", Help: "Whether the last load of the configuration succeeded."}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{Name: "packseal_config_last_reload_success_timestamp_seconds", Help: "When the configuration was last loaded with success."}),
	}
	s.set(nil)
	return s
}

// refusal is why a changed configuration is not in force, and since when.
type refusal struct {
	at  time.Time
	err error
}

// set notes how a load of the configuration went: err is nil, or why it is not in force.
func (s *reloadStatus) set(err error) {
	s.refused.Store(nil)
	s.ok.Set(0)
	if err != nil {
		s.refused.Store(&refusal{time.Now().UTC().Truncate(time.Second), err})
	} else {
		s.ok.Set(1)
		s.at.SetToCurrentTime()
	}
}

// Describe implements [prometheus.Collector].
func (s *reloadStatus) Describe(ch chan<- *prometheus.Desc) { s.ok.Describe(ch); s.at.Describe(ch) }

// Collect implements [prometheus.Collector].
func (s *reloadStatus) Collect(ch chan<- prometheus.Metric) { s.ok.Collect(ch); s.at.Collect(ch) }

// buildInfo is a constant 1 that names the version.
func buildInfo(version string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "packseal_build_info", Help: "Constant 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": goruntime.Version()},
	}, func() float64 { return 1 })
}

// packLabels is a constant 1 for each pack with labels, which are the series' own:
// owner is label_owner.
type packLabels struct{ entries func() []config.Entry }

// Describe implements [prometheus.Collector]: which labels there are, the
// configuration says.
func (packLabels) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (p packLabels) Collect(ch chan<- prometheus.Metric) {
	for _, e := range p.entries() {
		if len(e.Labels) == 0 {
			continue
		}
		names, values := []string{"source", "pack"}, []string{e.Pack.Source, e.Pack.Key()}
		for _, key := range slices.Sorted(maps.Keys(e.Labels)) {
			names, values = append(names, config.MetricLabel(key)), append(values, e.Labels[key])
		}
		desc := prometheus.NewDesc("packseal_pack_labels", "Constant 1; the labels are the pack's own, each with label_ before it.", names, nil)
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 1, values...)
	}
}

// packInfo is a constant 1 for each pack that entries returns. It names them for
// dashboards and alerts, where an ID means nothing to people.
type packInfo struct{ entries func() []config.Entry }

var descPackInfo = prometheus.NewDesc("packseal_pack_info",
	"Constant 1; name is what people call the pack, or its ID when it has no name.", []string{"source", "pack", "name"}, nil)

// Describe implements [prometheus.Collector].
func (packInfo) Describe(ch chan<- *prometheus.Desc) { ch <- descPackInfo }

// Collect implements [prometheus.Collector].
func (p packInfo) Collect(ch chan<- prometheus.Metric) {
	for _, e := range p.entries() {
		ch <- prometheus.MustNewConstMetric(descPackInfo, prometheus.GaugeValue, 1, e.Pack.Source, e.Pack.Key(), cmp.Or(e.Pack.Name, e.Pack.Key()))
	}
}
