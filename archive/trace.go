package archive

import (
	"cmp"
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"packseal.example/internal/evidence"
	"packseal.example/internal/trace"
)

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
		t.Set(trace.Bytes.Int64(r.Size), trace.Late.Int64(r.LateSeconds))
	}
	t.End(err)
}
