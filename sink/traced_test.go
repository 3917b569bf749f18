package sink_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"packseal.example/internal/fault"
	"packseal.example/internal/trace"
	"packseal.example/sink"
	"packseal.example/sink/sinktest"
)

func TestTracedKeepsTheContract(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(*testing.T) sink.Sink { return sink.Traced(sink.NewMemory(), "m") })
}

// TestTraced: each operation is a span with its result; a key without an object
// is not a failure.
func TestTraced(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	ctx, _ := trace.Root(t.Context(), provider.Tracer(trace.Scope), "slot")
	down := fault.New(fault.SinkUnavailable, "down")
	s := sink.Traced(&flaky{Memory: sink.NewMemory(), errs: []error{nil, down, nil, nil, down}}, "m")
	for range 2 {
		_ = s.Put(ctx, "k", sink.Bytes([]byte("abc")))
	}
	for _, key := range []string{"k", "none"} {
		if r, err := s.Open(ctx, key); err == nil {
			r.Close() //nolint:errcheck // in memory
		}
	}
	for range 2 { // the first fails after an entry, the second is stopped there
		for _, err := range s.List(ctx, "", "") {
			if err == nil && len(spans.GetSpans()) == 5 {
				break
			}
		}
	}
	var got []string
	for _, s := range spans.GetSpans() {
		attrs := attribute.NewSet(s.Attributes...)
		got = append(got, s.Name+" "+attrs.Encoded(attribute.DefaultEncoder())+" "+s.Status.Description)
	}
	want := []string{
		"put packseal.bytes=3,packseal.sink=m ", "put error.type=sink_unavailable,packseal.bytes=3,packseal.sink=m down",
		"open packseal.sink=m ", "open packseal.sink=m ",
		"list error.type=sink_unavailable,packseal.sink=m down", "list packseal.sink=m ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
