package archive

import (
	"cmp"
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"packseal.example/internal/span"
	"packseal.example/scheduler"
)

// trace begins the trace of one try of a slot.
func (a *Archive) trace(ctx context.Context, s scheduler.Slot, facts ...attribute.KeyValue) (context.Context, span.Span) {
	if a.Tracer == nil {
		return ctx, span.Span{}
	}
	return span.Root(ctx, a.Tracer, "slot", append(facts,
		span.Source.String(s.Source), span.Pack.String(s.Pack), span.Due.String(s.Due.Format(time.RFC3339)))...)
}

// ended ends the trace of a try with what came of it.
func ended(t span.Span, r Record, err error) {
	t.Set(span.Result.String(string(cmp.Or(r.State, "waiting"))))
	if r.State == Sealed {
		t.Set(span.Bytes.Int64(r.Size), span.Late.Int64(r.LateSeconds))
	}
	t.End(err)
}
