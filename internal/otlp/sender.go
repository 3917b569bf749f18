package otlp

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// sender passes spans to an exporter. It logs when exports start to fail and
// when they succeed again, once each, however long the collector is down.
type sender struct {
	sdk.SpanExporter
	secrets []string
	logger  *slog.Logger

	failing atomic.Bool
	stopped context.Context
	stop    context.CancelFunc // cancels exports in progress
}

func newSender(x sdk.SpanExporter, secrets []string, logger *slog.Logger) *sender {
	s := &sender{SpanExporter: x, secrets: secrets, logger: logger}
	s.stopped, s.stop = context.WithCancel(context.Background())
	return s
}

// ExportSpans implements [sdk.SpanExporter]. It always returns nil, because the
// SDK prints errors to standard error.
func (s *sender) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.stopped, cancel)()
	err := s.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && s.stopped.Err() == nil && !s.failing.Swap(true):
		s.logger.WarnContext(ctx, "trace export failed", "err", s.clean(err), "hint", "check OTEL_EXPORTER_OTLP_ENDPOINT and the collector there; only traces are lost meanwhile")
	case err == nil && s.failing.Swap(false):
		s.logger.InfoContext(ctx, "trace export recovered")
	}
	return nil
}

// maxMessage is how much of a collector's error is logged, in bytes.
const maxMessage = 300

// clean returns err's message without the values of headers, which a collector
// may repeat in its response.
func (s *sender) clean(err error) string {
	m := err.Error()
	for _, secret := range s.secrets {
		m = strings.ReplaceAll(m, secret, "(secret)")
	}
	return strings.ToValidUTF8(m[:min(len(m), maxMessage)], "")
}
