package fetcher

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are one source's; the registerer names it. Packs are no label here:
// stages and links behave alike for all packs of a source, and a histogram for
// each of a thousand packs would be more series than all the rest.
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
			Help:    "Life left of a signed link when its download began, by the source's clock.",
			Buckets: []float64{0, 30, 60, 120, 300, 600, 1200, 1800, 2700, 3600, 7200},
		}),
		refreshes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "packseal_link_refreshes_total",
			Help: "Links looked up again because they were about to expire, expired, or refused.",
		}),
	}
	for _, stage := range []string{"request", "making", "download"} {
		m.stages[stage] = NewStage(reg, stage)
	}
	if reg != nil {
		reg.MustRegister(m.remaining, m.refreshes)
	}
	return m
}

// NewStage makes the series of packseal_slot_duration_seconds for one stage of
// a slot's journey. The registerer names the source; nil registers nothing.
func NewStage(reg prometheus.Registerer, stage string) prometheus.Observer {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:        "packseal_slot_duration_seconds",
		Help:        "How long each stage of a slot took: request (baseline and Generate), making (until COMPLETE), download, sealing (into every sink).",
		Buckets:     prometheus.ExponentialBuckets(0.01, 4, 10),
		ConstLabels: prometheus.Labels{"stage": stage},
	})
	if reg != nil {
		reg.MustRegister(h)
	}
	return h
}

// stage records that a stage which began then is over.
func (m *metrics) stage(name string, began time.Time) {
	m.stages[name].Observe(time.Since(began).Seconds())
}

// RegisterMetrics shows the spool's finished reports and their size, read from
// its folder at each scrape: what waits there from before a restart counts too.
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
			Name: "packseal_spool_reports", Help: "Reports that are fetched and not yet in every sink.",
		}, sum(func(Report) int64 { return 1 })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "packseal_spool_bytes", Help: "Size of the reports that are fetched and not yet in every sink.",
		}, sum(func(r Report) int64 { return r.Size })),
	)
}
