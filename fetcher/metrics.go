package fetcher

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/metric"
)

// metrics are those of one source, which is a label of the registerer. A source
// that is opened again counts on where the former one was. They have
// no label for packs, because stages and links are alike for all packs of a
// source, and a histogram per pack would multiply the number of series.
type metrics struct {
	stages    map[string]prometheus.Observer
	remaining prometheus.Histogram
	refreshes prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		stages: make(map[string]prometheus.Observer),
		remaining: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "packseal_link_remaining_seconds",
			Help:    "Remaining validity of signed links at the start of a download, by the source's clock, in seconds.",
			Buckets: []float64{0, 30, 60, 120, 300, 600, 1200, 1800, 2700, 3600, 7200},
		}),
		refreshes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "packseal_link_refreshes_total",
			Help: "Links that were looked up again because they were about to expire, had expired, or were refused.",
		}),
	}
	for _, stage := range []string{"evaluating", "request", "making", "download"} {
		m.stages[stage] = NewStage(reg, stage)
	}
	m.remaining, m.refreshes = metric.Register(reg, m.remaining), metric.Register(reg, m.refreshes)
	return m
}

// NewStage returns the histogram packseal_slot_duration_seconds for one stage of
// a slot. The source is a label of the registerer; nil registers nothing.
func NewStage(reg prometheus.Registerer, stage string) prometheus.Observer {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:        "packseal_slot_duration_seconds",
		Help:        "Duration of each stage of a slot, in seconds: evaluating (rules, where that is asked for), request (baseline and Generate), making (until COMPLETE), download, sealing (into every sink).",
		Buckets:     prometheus.ExponentialBuckets(0.01, 4, 10),
		ConstLabels: prometheus.Labels{"stage": stage},
	})
	return metric.Register(reg, h)
}

// stage records the duration of a stage that ends now.
func (m *metrics) stage(name string, start time.Time) {
	m.stages[name].Observe(time.Since(start).Seconds())
}

// RegisterMetrics registers gauges of the number and size of complete reports in
// the spool. They are read from its directory on each scrape.
func (s *Spool) RegisterMetrics(reg prometheus.Registerer) {
	sum := func(value func(Report) int64) func() float64 {
		return func() (total float64) {
			for r := range s.Waiting() {
				total += float64(value(r))
			}
			return total
		}
	}
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "packseal_spool_reports", Help: "Reports that are fetched but not yet in every sink.",
		}, sum(func(Report) int64 { return 1 })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "packseal_spool_bytes", Help: "Size of the reports that are fetched but not yet in every sink, in bytes.",
		}, sum(func(r Report) int64 { return r.Size })),
	)
}
