package scheduler

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are each pack's due times.
type metrics struct{ next, last, interval *prometheus.GaugeVec }

func newMetrics(reg prometheus.Registerer) *metrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"source", "pack"})
		reg.MustRegister(g)
		return g
	}
	return &metrics{
		next:     gauge("packseal_next_due_timestamp_seconds", "When the pack's next slot falls due; 0 when none does."),
		last:     gauge("packseal_last_due_timestamp_seconds", "When the pack's latest slot fell due; 0 when none has."),
		interval: gauge("packseal_expected_interval_seconds", "The longest time between two slots of the pack's schedule around now."),
	}
}

// show sets the pack's series.
func (m *metrics) show(p *pack) {
	m.next.WithLabelValues(p.Source, p.Pack).Set(unix(p.next))
	m.last.WithLabelValues(p.Source, p.Pack).Set(unix(p.last))
	m.interval.WithLabelValues(p.Source, p.Pack).Set(p.Schedule.Interval(p.cursor).Seconds())
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
