package scheduler

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the scheduler's. They follow from the plans and the clock, so
// they are true from the start on.
type metrics struct {
	nextDue, lastDue, interval *prometheus.GaugeVec
	panics                     prometheus.Counter

	mu        sync.Mutex
	intervals map[[2]string]longest // by text and zone: packs share few schedules, and an interval takes long to find
}

// longest is the interval of a schedule around a time.
type longest struct {
	at       time.Time
	interval time.Duration
}

// around returns the schedule's Interval.
func (m *metrics) around(s Schedule, at time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := [2]string{s.String(), s.Zone()}
	known, ok := m.intervals[key]
	if !ok || !known.at.Equal(at) {
		known = longest{at, s.Interval(at)}
		m.intervals[key] = known
	}
	return known.interval
}

// newMetrics registers the metrics.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"source", "pack"})
	}
	m := &metrics{
		intervals: make(map[[2]string]longest),
		nextDue: gauge("packseal_next_due_timestamp_seconds",
			"Due time of the pack's next slot, whose work has not started yet."),
		lastDue: gauge("packseal_last_due_timestamp_seconds",
			"Due time of the pack's latest slot whose start has come, or 0 when there is none."),
		interval: gauge("packseal_expected_interval_seconds",
			"Longest distance between two slots of the pack around now, by its schedule."),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "packseal_scheduler_panics_total",
			Help: "Panics caught while a pack's slots were scheduled.",
		}),
	}
	for _, c := range []prometheus.Collector{m.nextDue, m.lastDue, m.interval, m.panics} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// set shows where the pack stands at now.
func (m *metrics) set(p *pack, now time.Time) {
	last, next := p.due()
	m.nextDue.WithLabelValues(p.Source, p.Pack).Set(float64(next.Unix()))
	at := last // the same for all packs of a schedule
	if at.IsZero() {
		at = now
	}
	m.interval.WithLabelValues(p.Source, p.Pack).Set(m.around(p.Schedule, at).Seconds())
	if !last.IsZero() {
		m.lastDue.WithLabelValues(p.Source, p.Pack).Set(float64(last.Unix()))
	}
}
