package scheduler

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the scheduler's. They follow from the plans and the clock, so
// they are true from the start on; owed takes the pack's history too.
type metrics struct {
	nextDue, lastDue, interval, owed *prometheus.GaugeVec
	panics                           prometheus.Counter

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
		owed: gauge("packseal_owed_since_timestamp_seconds",
			"Each slot of the pack that falls due after this is owed; 0 while none has been, or the archive was not read yet."),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "packseal_scheduler_panics_total",
			Help: "Panics caught while a pack's slots were scheduled.",
		}),
	}
	for _, c := range []prometheus.Collector{m.nextDue, m.lastDue, m.interval, m.owed, m.panics} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// set shows where the pack stands at now. Two that set a pack's metrics at
// once leave the later of its states.
func (m *metrics) set(p *pack, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.last // the same for all packs of a schedule
	if at.IsZero() {
		at = now
	}
	m.interval.WithLabelValues(p.Source, p.Pack).Set(m.around(p.Schedule, at).Seconds())
	m.nextDue.WithLabelValues(p.Source, p.Pack).Set(unix(p.next))
	m.lastDue.WithLabelValues(p.Source, p.Pack).Set(unix(p.last))
	owed := p.first
	if !p.loaded {
		owed = time.Time{}
	}
	m.owed.WithLabelValues(p.Source, p.Pack).Set(unix(owed))
}

// unix is t in seconds, and 0 for the zero time.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
