package scheduler

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/scheduler/cron"
)

// metrics collect the packs' series from the scheduler's own state, so a pack
// that is gone has none. What is next follows from the plans and the clock, and is
// true from the start on; what was before takes the plans that were recorded.
type metrics struct {
	packs  func() []*pack
	panics prometheus.Counter

	nextDue, lastDue, interval, owed *prometheus.Desc

	mu        sync.Mutex
	intervals map[[2]string]longest // by text and zone: packs share few schedules, and an interval takes long to find
}

// longest is the interval of a schedule around a time.
type longest struct {
	at       time.Time
	interval time.Duration
}

// newMetrics registers the metrics of what packs returns.
func newMetrics(reg prometheus.Registerer, packs func() []*pack) (*metrics, error) {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"source", "pack"}, nil)
	}
	m := &metrics{
		packs: packs,
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "packseal_scheduler_panics_total",
			Help: "Panics caught while a pack's slots were scheduled.",
		}),
		nextDue: desc("packseal_next_due_timestamp_seconds",
			"Due time of the pack's next slot, whose work has not started yet, or 0 when its schedule has ended."),
		lastDue: desc("packseal_last_due_timestamp_seconds",
			"Due time of the pack's latest slot whose start has come, or 0 when there is none."),
		interval: desc("packseal_expected_interval_seconds",
			"Longest distance between two slots of the pack around now, by its schedule."),
		owed: desc("packseal_owed_since_timestamp_seconds",
			"Each slot of the pack that falls due after this is owed; 0 while none has been, or the archive was not read yet."),
	}
	return m, reg.Register(m)
}

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	m.panics.Describe(ch)
	for _, d := range []*prometheus.Desc{m.nextDue, m.lastDue, m.interval, m.owed} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.panics.Collect(ch)
	packs, now := m.packs(), wallClock()
	m.mu.Lock()
	defer m.mu.Unlock()
	intervals := make(map[[2]string]longest)
	for _, p := range packs {
		send := func(d *prometheus.Desc, value float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, p.Source, p.Pack)
		}
		last, next := p.due()
		send(m.nextDue, unix(next))
		send(m.lastDue, unix(last))
		if first, ok := p.owed(); ok {
			send(m.owed, unix(first.Add(-time.Second)))
		} else {
			send(m.owed, 0)
		}
		at := last // the same for all packs of a schedule
		if at.IsZero() {
			at = now
		}
		send(m.interval, m.around(p.Schedule, at, intervals).Seconds())
	}
	m.intervals = intervals
}

// around returns the schedule's Interval, and keeps it in next for the others of
// this schedule and for the next time.
func (m *metrics) around(s cron.Schedule, at time.Time, next map[[2]string]longest) time.Duration {
	key := [2]string{s.String(), s.Zone()}
	for _, known := range []longest{next[key], m.intervals[key]} {
		if known.at.Equal(at) && known.interval > 0 {
			next[key] = known
			return known.interval
		}
	}
	next[key] = longest{at, s.Interval(at)}
	return next[key].interval
}

// snapshot returns the packs there are.
func (s *Scheduler) snapshot() []*pack {
	s.mu.RLock()
	defer s.mu.RUnlock()
	packs := make([]*pack, 0, len(s.packs))
	for _, p := range s.packs {
		packs = append(packs, p)
	}
	return packs
}

// unix is t in seconds, and 0 for the zero time.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
