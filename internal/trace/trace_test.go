package trace_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"packseal.example/internal/fault"
	"packseal.example/internal/trace"
)

// record records the spans of a slot.
func record(ctx context.Context, t oteltrace.Tracer, err error) {
	ctx, slot := trace.Root(ctx, t, "slot", trace.Source.String("prod"), trace.Try.Int(1))
	down, stage := trace.Begin(ctx, "download", trace.Attempt.Int(2))
	_, call := trace.Call(down, "GET", trace.Bytes.Int64(3))
	call.Set(trace.Code.String("OK"))
	call.End(err)
	stage.End(err)
	slot.End(nil)
}

// TestTree: spans nest, and carry their attributes and the reason and message
// of an error.
func TestTree(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	failure := fault.New(fault.LinkExpired, "%s", strings.Repeat("é", 2000))
	record(t.Context(), provider.Tracer(trace.Scope), failure)

	got := map[string]string{} // name → parent
	names := map[oteltrace.SpanID]string{{}: ""}
	for _, s := range spans.GetSpans() {
		names[s.SpanContext.SpanID()] = s.Name
	}
	for _, s := range spans.GetSpans() {
		got[s.Name] = names[s.Parent.SpanID()]
		if s.Name != "GET" {
			continue
		}
		attrs := map[string]string{}
		for _, a := range s.Attributes {
			attrs[string(a.Key)] = a.Value.String()
		}
		if diff := cmp.Diff(map[string]string{"packseal.bytes": "3", "packseal.code": "OK", "error.type": "link_expired"}, attrs); diff != "" {
			t.Error(diff)
		}
		if s.SpanKind != oteltrace.SpanKindClient || s.Status.Code != codes.Error || s.Status.Description != strings.Repeat("é", 1000) {
			t.Errorf("%s, status %+v", s.SpanKind, s.Status)
		}
	}
	if diff := cmp.Diff(map[string]string{"slot": "", "download": "slot", "GET": "download"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestNotSampled: a trace that is not sampled is not exported, nor are its
// children as traces of their own.
func TestNotSampled(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans), sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())))
	record(t.Context(), provider.Tracer(trace.Scope), nil)
	if got := spans.GetSpans(); len(got) > 0 {
		t.Errorf("%d spans", len(got))
	}
}

// TestOff: without a tracer, spans do not allocate.
func TestOff(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute) // nested, as in the daemon
	defer stop()
	if n := testing.AllocsPerRun(1000, func() { record(ctx, nil, nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkOff measures the spans of a slot while tracing is off.
func BenchmarkOff(b *testing.B) {
	ctx, stop := context.WithTimeout(b.Context(), time.Minute)
	defer stop()
	b.ReportAllocs()
	for b.Loop() {
		record(ctx, nil, nil)
	}
}
