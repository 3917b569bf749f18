// Package trace records the processing of a slot as OpenTelemetry spans.
//
// [Root] starts a trace with a tracer. Code below it calls [Begin] and [Call],
// which find the parent span in the context; if there is none, because tracing
// is off, they do nothing and do not allocate. So no package needs to know
// whether, or how, spans are exported.
//
// Spans leave the process for other people's systems. Attributes hold values
// from the configuration, enums and numbers only; error messages contain
// neither links nor credentials.
package trace

import (
	"context"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"packseal.example/internal/fault"
)

// Scope is the name of the instrumentation scope.
const Scope = "packseal.example"

// The attributes of spans, named like the fields of log messages with a prefix.
const (
	Source   = attribute.Key("packseal.source")
	Pack     = attribute.Key("packseal.pack")
	Due      = attribute.Key("packseal.due")     // RFC 3339
	Try      = attribute.Key("packseal.try")     // of the slot, counted from 1
	Result   = attribute.Key("packseal.result")  // of the try: sealed, gap or waiting
	Late     = attribute.Key("packseal.late")    // seconds from due until the report was fetched
	Attempt  = attribute.Key("packseal.attempt") // how often the report had been requested before
	Attached = attribute.Key("packseal.attached")
	Sink     = attribute.Key("packseal.sink")
	Bytes    = attribute.Key("packseal.bytes")
	Code     = attribute.Key("packseal.code") // of the API's response, as in packseal_api_requests_total
	Reason   = attribute.Key("error.type")    // a fault.Reason
)

// Span is a span that was started. The methods of the zero Span do nothing.
type Span struct{ span trace.Span }

// Root starts a trace. It does nothing if t is nil.
func Root(ctx context.Context, t trace.Tracer, name string, attrs ...attribute.KeyValue) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	return start(ctx, t, name, trace.SpanKindInternal, attrs)
}

// Begin starts an internal span below the one in ctx.
func Begin(ctx context.Context, name string, attrs ...attribute.KeyValue) (context.Context, Span) {
	return below(ctx, name, trace.SpanKindInternal, attrs)
}

// Call starts a client span below the one in ctx, for a request to another
// program. The trace context is not propagated to that program.
func Call(ctx context.Context, name string, attrs ...attribute.KeyValue) (context.Context, Span) {
	return below(ctx, name, trace.SpanKindClient, attrs)
}

// below starts a span with the tracer of the one in ctx.
func below(ctx context.Context, name string, kind trace.SpanKind, attrs []attribute.KeyValue) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.SpanContext().IsValid() {
		return ctx, Span{}
	}
	return start(ctx, parent.TracerProvider().Tracer(Scope), name, kind, attrs)
}

// start clones attrs so that the slice of the caller does not escape to the
// heap: without tracing, spans must not allocate.
func start(ctx context.Context, t trace.Tracer, name string, kind trace.SpanKind, attrs []attribute.KeyValue) (context.Context, Span) {
	ctx, s := t.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(slices.Clone(attrs)...))
	return ctx, Span{s}
}

// Set sets attributes of the span.
func (s Span) Set(attrs ...attribute.KeyValue) {
	if s.span != nil {
		s.span.SetAttributes(slices.Clone(attrs)...)
	}
}

// maxMessage is the limit on an error's message, in bytes.
const maxMessage = 2000

// End ends the span. If err is not nil, the span is marked as failed, with the
// reason and message of err.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		message := err.Error()
		s.span.SetAttributes(Reason.String(string(fault.Of(err))))
		s.span.SetStatus(codes.Error, strings.ToValidUTF8(message[:min(len(message), maxMessage)], ""))
	}
	s.span.End()
}
