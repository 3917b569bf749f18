// Package trace lets the rooms say what step of a slot's journey they are at,
// for traces.
//
// A trace begins with [Root], at whoever was given a tracer. Everything below
// asks the context alone, with [Begin] and [Call]: where that holds no span,
// because nobody wants traces, they do nothing and cost nothing. So no room
// knows how, or whether, traces leave the process.
//
// Spans go to other people's systems. What is said in them is of the
// configuration, of enums, or a number; and errors, which carry neither link
// nor credential.
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

// Scope names the spans' origin, as OpenTelemetry's instrumentation scope.
const Scope = "packseal.example"

// What a span may say. The names are those of the log, with a prefix.
const (
	Source   = attribute.Key("packseal.source")
	Pack     = attribute.Key("packseal.pack")
	Due      = attribute.Key("packseal.due")     // RFC 3339
	Try      = attribute.Key("packseal.try")     // of the slot, from 1
	Result   = attribute.Key("packseal.result")  // how the try ended: sealed, gap or waiting
	Late     = attribute.Key("packseal.late")    // seconds from due until the report was here
	Attempt  = attribute.Key("packseal.attempt") // how often the report was asked for before
	Attached = attribute.Key("packseal.attached")
	Sink     = attribute.Key("packseal.sink")
	Bytes    = attribute.Key("packseal.bytes")
	Code     = attribute.Key("packseal.code") // the API's answer, by the words of packseal_api_requests_total
	Reason   = attribute.Key("error.type")    // a fault.Reason
)

// Span is a step that was begun. The zero Span is one that nobody wants to
// know of.
type Span struct{ span trace.Span }

// Root begins a trace. Without a tracer it does nothing.
func Root(ctx context.Context, t trace.Tracer, name string, facts ...attribute.KeyValue) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	return start(ctx, t, name, trace.SpanKindInternal, facts)
}

// Begin begins a step of what ctx is at.
func Begin(ctx context.Context, name string, facts ...attribute.KeyValue) (context.Context, Span) {
	return below(ctx, name, trace.SpanKindInternal, facts)
}

// Call begins a request to another program, as a step of what ctx is at. That
// program is told nothing of the trace.
func Call(ctx context.Context, name string, facts ...attribute.KeyValue) (context.Context, Span) {
	return below(ctx, name, trace.SpanKindClient, facts)
}

// below begins a span with the tracer of the one that ctx holds.
func below(ctx context.Context, name string, kind trace.SpanKind, facts []attribute.KeyValue) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.SpanContext().IsValid() {
		return ctx, Span{}
	}
	return start(ctx, parent.TracerProvider().Tracer(Scope), name, kind, facts)
}

// start keeps a copy of facts: so the caller's own need not be on the heap, and
// a step that nobody wants to know of costs no memory.
func start(ctx context.Context, t trace.Tracer, name string, kind trace.SpanKind, facts []attribute.KeyValue) (context.Context, Span) {
	ctx, s := t.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(slices.Clone(facts)...))
	return ctx, Span{s}
}

// Set adds to what the span says.
func (s Span) Set(facts ...attribute.KeyValue) {
	if s.span != nil {
		s.span.SetAttributes(slices.Clone(facts)...)
	}
}

// maxMessage bounds an error's message, in bytes.
const maxMessage = 2000

// End ends the span, with the reason and the message of an error.
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
