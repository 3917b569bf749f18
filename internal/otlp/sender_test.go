package otlp

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"packseal.example/internal/trace"
)

// hung is an exporter whose collector never responds.
type hung struct{}

func (hung) ExportSpans(ctx context.Context, _ []sdk.ReadOnlySpan) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func (hung) Shutdown(context.Context) error { return nil }

// TestNeverBlocks: a collector that hangs blocks neither spans nor Close for
// longer than closeTime, and no goroutine is left: the bubble waits for all.
func TestNeverBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := newSender(hung{}, nil, slog.New(slog.NewTextHandler(&log, nil)))
		traces := &Traces{provider: sdk.NewTracerProvider(sdk.WithBatcher(s)), sender: s}
		began := time.Now()
		for range 3 * sdk.DefaultMaxQueueSize {
			_, slot := trace.Root(t.Context(), traces.Tracer(), "slot")
			slot.End(nil)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("spans blocked for %s", took)
		}
		traces.Close(t.Context())
		if took := time.Since(began); took != closeTime {
			t.Errorf("Close blocked for %s", took)
		}
		if got := log.String(); !strings.Contains(got, "traces lost at shutdown") {
			t.Errorf("log %s", got)
		}
	})
}
