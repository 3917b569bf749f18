package otlp

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// sender hands spans to an exporter, and logs when that begins to fail and when
// it works again: once each, however long a receiver is down.
type sender struct {
	sdk.SpanExporter
	secrets []string
	logger  *slog.Logger

	failing atomic.Bool
	stopped context.Context
	stop    context.CancelFunc // cuts off what is under way
}

func newSender(x sdk.SpanExporter, secrets []string, logger *slog.Logger) *sender {
	s := &sender{SpanExporter: x, secrets: secrets, logger: logger}
	s.stopped, s.stop = context.WithCancel(context.Background())
	return s
}

// ExportSpans implements [sdk.SpanExporter]. It returns no error, as the SDK
// would print that past our log.
func (s *sender) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.stopped, cancel)()
	err := s.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && s.stopped.Err() == nil && !s.failing.Swap(true):
		s.logger.WarnContext(ctx, "traces can't be sent", "err", s.clean(err), "hint", "look at OTEL_EXPORTER_OTLP_ENDPOINT and at its receiver; until then traces are lost, and nothing else")
	case err == nil && s.failing.Swap(false):
		s.logger.InfoContext(ctx, "traces are sent again")
	}
	return nil
}

// maxMessage bounds what is logged of a receiver's answer, in bytes.
const maxMessage = 300

// clean is err's message without the headers' values, which a receiver may
// have repeated.
func (s *sender) clean(err error) string {
	m := err.Error()
	for _, secret := range s.secrets {
		m = strings.ReplaceAll(m, secret, "(secret)")
	}
	return strings.ToValidUTF8(m[:min(len(m), maxMessage)], "")
}
