package archive

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// metrics are made for the configured packs, all of them at start; the
// archive's content is loaded into them, so that a restart changes nothing.
//
// Counters of slots thus count what is in the archive, not what this process
// did. A scrape that falls between the start and the end of loading sees them
// lower, which Prometheus takes for a reset: alerts are better put on the
// gauges. Failed tries and durations are this process's alone, because no
// record keeps them.
type metrics struct {
	slots      *prometheus.CounterVec
	failures   *prometheus.CounterVec
	gaps       *prometheus.CounterVec
	lastSealed *prometheus.GaugeVec
	lastGap    *prometheus.GaugeVec
	created    *prometheus.GaugeVec
	bytes      *prometheus.GaugeVec
	lateness   *prometheus.HistogramVec
	stages     sync.Map // source → prometheus.Observer of the sealing stage
	known      map[packID]bool
}

// newMetrics makes every series that there can be: a series that is missing
// until the first failure makes an alert on its rate blind to that failure.
func newMetrics(reg prometheus.Registerer, packs []evidence.Pack) *metrics {
	byPack := []string{"source", "pack"}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, byPack)
	}
	m := &metrics{
		slots:      counter("packseal_slots_total", "Slots in the archive, by how they ended.", "source", "pack", "result"),
		failures:   counter("packseal_failures_total", "Tries of a slot that failed, by reason.", "source", "reason"),
		gaps:       counter("packseal_gaps_total", "Slots in the archive that ended without a report, by reason.", "reason"),
		lastSealed: gauge("packseal_last_sealed_timestamp_seconds", "When the pack's latest sealed report was sealed; 0 when there is none."),
		lastGap:    gauge("packseal_last_gap_timestamp_seconds", "When the pack's latest slot without a report was recorded as a gap; 0 when there is none."),
		created:    gauge("packseal_report_created_timestamp_seconds", "When the pack's latest sealed report was made, by Config's clock; 0 when there is none."),
		bytes:      gauge("packseal_report_bytes", "Size of the pack's latest sealed report."),
		lateness: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "packseal_late_seconds",
			Help:    "How long after it fell due a slot's report was here.",
			Buckets: []float64{1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 72 * 3600},
		}, []string{"source"}),
		known: make(map[packID]bool),
	}
	for _, reason := range fault.Reasons() {
		m.gaps.WithLabelValues(string(reason))
	}
	for _, p := range packs {
		m.add(reg, p)
	}
	if reg != nil {
		reg.MustRegister(m.slots, m.failures, m.gaps, m.lastSealed, m.lastGap, m.created, m.bytes, m.lateness)
	}
	return m
}

// add makes a pack's series.
func (m *metrics) add(reg prometheus.Registerer, p evidence.Pack) {
	m.known[packID{p.Source, p.Key()}] = true
	for _, state := range []State{Sealed, Gapped} {
		m.slots.WithLabelValues(p.Source, p.Key(), string(state))
	}
	for _, g := range []*prometheus.GaugeVec{m.lastSealed, m.lastGap, m.created, m.bytes} {
		g.WithLabelValues(p.Source, p.Key())
	}
	m.lateness.WithLabelValues(p.Source)
	for _, reason := range fault.Reasons() { // not by pack: that would be two thirds of all series
		m.failures.WithLabelValues(p.Source, string(reason))
	}
	if _, ok := m.stages.Load(p.Source); !ok {
		if reg != nil {
			m.stages.Store(p.Source, fetcher.NewStage(prometheus.WrapRegistererWith(prometheus.Labels{"source": p.Source}, reg), "sealing"))
		}
	}
}

// loaded raises a pack's series from what was counted before to what the sinks
// hold.
func (m *metrics) loaded(id packID, before, now tally) {
	m.slots.WithLabelValues(id.source, id.pack, string(Sealed)).Add(float64(max(now.Sealed-before.Sealed, 0)))
	m.slots.WithLabelValues(id.source, id.pack, string(Gapped)).Add(float64(max(now.Gaps-before.Gaps, 0)))
	for reason, n := range now.reasons {
		m.gaps.WithLabelValues(string(reason)).Add(float64(max(n-before.reasons[reason], 0)))
	}
	m.latest(id, now.Status)
}

// settled counts a slot of a configured pack that has ended; st is the pack's
// status with it.
func (m *metrics) settled(r Record, st Status) {
	m.slots.WithLabelValues(r.Source, r.Pack, string(r.State)).Inc()
	if r.State == Gapped {
		m.gaps.WithLabelValues(string(r.Reason)).Inc()
	}
	m.latest(packID{r.Source, r.Pack}, st)
}

// late observes how late a slot was that was sealed here: no other replica
// does, so that one report counts once.
func (m *metrics) late(r Record) {
	if r.State == Sealed && m.known[packID{r.Source, r.Pack}] {
		m.lateness.WithLabelValues(r.Source).Observe(float64(r.LateSeconds))
	}
}

// latest shows the pack's latest slots, by their due times and not by when
// they ended: a late one must not stand for a younger one, nor a restart
// change what is shown.
func (m *metrics) latest(id packID, st Status) {
	m.lastSealed.WithLabelValues(id.source, id.pack).Set(unix(st.LastSealed.Settled))
	m.lastGap.WithLabelValues(id.source, id.pack).Set(unix(st.LastGap.Settled))
	m.created.WithLabelValues(id.source, id.pack).Set(unix(st.LastSealed.Created))
	m.bytes.WithLabelValues(id.source, id.pack).Set(float64(st.LastSealed.Size))
}

// unix is t as Prometheus has times: seconds since 1970, and 0 for never.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// failed counts a try that failed.
func (m *metrics) failed(s scheduler.Slot, r fault.Reason) {
	if m.known[packID{s.Source, s.Pack}] {
		m.failures.WithLabelValues(s.Source, string(r)).Inc()
	}
}

// sealing records how long it took to bring a report into the sinks.
func (m *metrics) sealing(source string, began time.Time) {
	if o, ok := m.stages.Load(source); ok {
		o.(prometheus.Observer).Observe(time.Since(began).Seconds())
	}
}
