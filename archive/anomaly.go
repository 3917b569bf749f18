package archive

import (
	"context"
	"fmt"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/trace"
)

// newContainer is the anomaly of a report whose container differs from that of the
// pack's report before. It is not in the manifest, as it is not of the report.
const newContainer evidence.Anomaly = "new_container"

// anomalies returns what reports are counted by.
func anomalies() []evidence.Anomaly { return append(evidence.Anomalies(), newContainer) }

// scrutinize logs and counts what is odd about a report that was sealed here, in t at
// least. It tells of a container that is not that of the pack's report before, once
// for each container.
func (a *Archive) scrutinize(ctx context.Context, t Target, m evidence.Manifest) {
	log := a.Logger.With("source", m.Source, "pack", m.Slot().Pack, "due", m.Due.Format(time.RFC3339), "container", format(m))
	if len(m.Anomalies) > 0 {
		log.WarnContext(ctx, "report is unusual", "object", m.ReportKey(), "anomalies", m.Anomalies)
	}
	for _, odd := range m.Anomalies {
		a.Metrics.odd(m.Source, evidence.Anomaly(odd))
	}
	if !a.first(m) {
		return
	}
	before, err := a.before(ctx, t, m.Slot())
	if err != nil {
		log.WarnContext(ctx, "report before not read", "reason", fault.Of(err), "err", err)
	}
	if err != nil || before.Pack == "" {
		return
	}
	if a.first(before); format(before) == format(m) {
		return
	}
	log.WarnContext(ctx, "report in another container", "before", format(before), "before_due", before.Due.Format(time.RFC3339))
	a.Metrics.odd(m.Source, newContainer)
	if a.NewContainer != nil {
		a.NewContainer(m, fmt.Sprintf("%s; the report due %s was %s", format(m), before.Due.Format(time.RFC3339), format(before)))
	}
}

// format names a report's container, and how it is compressed.
func format(m evidence.Manifest) string {
	if m.ContentEncoding != "" {
		return string(m.Container) + " in " + m.ContentEncoding
	}
	return string(m.Container)
}

// first reports whether the report is the first in its container that is seen of
// its pack.
func (a *Archive) first(m evidence.Manifest) bool {
	type key = struct {
		evidence.PackRef
		format string
	}
	_, seen := a.containers.LoadOrStore(key{m.Slot().Ref(), format(m)}, true)
	return !seen
}

// lookBack is how long a pack's report before is looked for, and how far back at
// first: a list of that time is short, and has it unless the schedule is rare.
const (
	lookBack    = 30 * time.Second
	lookBackFor = 40 * 24 * time.Hour
)

// before returns the manifest of the pack's last sealed slot before s that a sink has,
// or the zero one if there is none.
func (a *Archive) before(ctx context.Context, t Target, s evidence.Slot) (m evidence.Manifest, err error) {
	ctx, span := trace.Begin(ctx, "compare")
	defer func() { span.End(err) }()
	r := newReader(Options{Sinks: []Target{t}, Logger: a.Logger})
	ctx, stop := context.WithTimeout(ctx, lookBack)
	defer stop()
	for _, from := range []time.Time{s.Due.Add(-lookBackFor), {}} {
		var last evidence.Slot
		for l, err := range r.List(ctx, s.Source, s.Pack, from, s.Due) {
			if err != nil {
				return m, err
			}
			if l.State == evidence.Sealed {
				last = l.Slot
			}
		}
		if last.Pack != "" {
			m, _, err = r.Manifest(ctx, last)
			return m, err
		}
	}
	return m, nil
}
