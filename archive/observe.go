package archive

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"

	"packseal.example/archive/catalog"
	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/trace"
)

// observe tells the observers that a slot is settled, here or elsewhere.
func (a *Archive) observe(r evidence.Record, local bool) {
	if local {
		a.Metrics.settled(r)
	}
	for _, observe := range a.Observers {
		observe(catalog.Event{Record: r, Local: local})
	}
}

// lost logs and counts a slot whose record was deleted. Nothing takes its place; what
// the spool holds of it stays there.
func (a *Archive) lost(ctx context.Context, s evidence.Slot, err error) {
	a.Metrics.failed(s, fault.Deleted)
	a.Logger.ErrorContext(ctx, "slot was deleted", "source", s.Source, "pack", s.Pack, "due", s.Due.Format(time.RFC3339), "reason", fault.Deleted, "err", err, "hint", fault.Hint(err))
}

// trace begins the trace of one attempt at a slot.
func (a *Archive) trace(ctx context.Context, s evidence.Slot, facts ...attribute.KeyValue) (context.Context, trace.Span) {
	if a.Tracer == nil {
		return ctx, trace.Span{}
	}
	return trace.Root(ctx, a.Tracer, "slot", append(facts,
		trace.Source.String(s.Source), trace.Pack.String(s.Pack), trace.Due.String(s.Due.Format(time.RFC3339)))...)
}

// ended ends the trace of an attempt with its result.
func ended(t trace.Span, r evidence.Record, err error) {
	t.Set(trace.Result.String(string(cmp.Or(r.State, "waiting"))))
	if r.State == evidence.Sealed {
		t.Set(trace.Bytes.Int64(r.Size))
		if r.Imported == "" {
			t.Set(trace.Late.Int64(r.LateSeconds))
		}
	}
	t.End(err)
}

// Metrics count what this process does. They outlive the archives of single
// configurations, so that a reload loses no count; what the sinks hold is shown
// by package catalog.
type Metrics struct {
	failures  *prometheus.CounterVec
	gaps      *prometheus.CounterVec
	anomalies *prometheus.CounterVec
	repaired  *prometheus.CounterVec
	lateness  *prometheus.HistogramVec
	reg       prometheus.Registerer

	mu      sync.Mutex
	sealing map[string]prometheus.Observer // source → of the sealing stage
}

// NewMetrics registers the metrics, once per process. A nil reg registers none.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		failures:  counter("packseal_failures_total", "Attempts at a slot that failed, by reason.", "source", "reason"),
		gaps:      counter("packseal_gaps_total", "Slots that this process has recorded as gaps, by reason.", "reason"),
		anomalies: counter("packseal_report_anomalies_total", "What was unusual about reports that this process has sealed.", "source", "anomaly"),
		repaired:  counter("packseal_repaired_objects_total", "Objects that a sink lacked and this process has copied to it from another one.", "sink"),
		lateness: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "packseal_late_seconds",
			Help:    "How long after it fell due a slot's report had been fetched.",
			Buckets: []float64{1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 72 * 3600},
		}, []string{"source"}),
		reg: reg, sealing: make(map[string]prometheus.Observer),
	}
	for _, reason := range fault.Reasons() {
		m.gaps.WithLabelValues(string(reason))
	}
	if reg != nil {
		reg.MustRegister(m.failures, m.gaps, m.anomalies, m.repaired, m.lateness)
	}
	return m
}

// watch makes a source's series: one that is missing until the first failure
// makes an alert on its rate blind to that failure.
func (m *Metrics) watch(source string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.sealing[source]; ok {
		return
	}
	m.sealing[source] = nil
	m.lateness.WithLabelValues(source)
	for _, reason := range fault.Reasons() { // not by pack: that would be two thirds of all series
		m.failures.WithLabelValues(source, string(reason))
	}
	for _, a := range anomalies() {
		m.anomalies.WithLabelValues(source, string(a))
	}
	if m.reg != nil {
		m.sealing[source] = fetcher.NewStage(prometheus.WrapRegistererWith(prometheus.Labels{"source": source}, m.reg), "sealing")
	}
}

// knows reports whether a source is one of the configured ones.
func (m *Metrics) knows(source string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.sealing[source]
	return ok
}

// settled counts a slot that was settled here.
func (m *Metrics) settled(r evidence.Record) {
	switch {
	case !m.knows(r.Source):
	case r.State == evidence.Gapped:
		m.gaps.WithLabelValues(string(r.Reason)).Inc()
	case r.Imported == "":
		m.lateness.WithLabelValues(r.Source).Observe(float64(r.LateSeconds))
	}
}

// failed counts an attempt that failed.
func (m *Metrics) failed(s evidence.Slot, r fault.Reason) {
	if m.knows(s.Source) {
		m.failures.WithLabelValues(s.Source, string(r)).Inc()
	}
}

// odd counts an anomaly of a report that was sealed here.
func (m *Metrics) odd(source string, a evidence.Anomaly) {
	if m.knows(source) {
		m.anomalies.WithLabelValues(source, string(a)).Inc()
	}
}

// sealed records how long it took to bring a report into the sinks.
func (m *Metrics) sealed(source string, began time.Time) {
	m.mu.Lock()
	stage := m.sealing[source]
	m.mu.Unlock()
	if stage != nil {
		stage.Observe(time.Since(began).Seconds())
	}
}
