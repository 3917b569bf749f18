// Package otlp sends traces to where OpenTelemetry's standard environment
// variables say, by OTLP over HTTP or gRPC.
//
// Traces are off until OTEL_TRACES_EXPORTER=otlp or an OTLP endpoint asks for
// them. What a variable says wrong is warned of and ignored, as the
// specification has it; what leaves nowhere to send traces to, or nothing to
// be known by there, is an error.
package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"packseal.example/internal/trace"
)

// closeTime bounds how long the last spans may take to leave.
const closeTime = 5 * time.Second

// Traces are spans on their way out of the process. Spans wait in a bounded
// queue and are dropped when it is full: nothing ever waits for their receiver.
// A nil Traces is good to use, and sends nothing.
type Traces struct {
	provider *sdk.TracerProvider
	sender   *sender
}

// Open reads the environment and makes Traces, or returns nil when nobody asked
// for any. It connects to nothing yet. Variables that are no good are taken out
// of the environment: OpenTelemetry's SDK reads it too, quotes on standard
// error what it can't read, keys among it, and panics at some.
func Open(ctx context.Context, version string, logger *slog.Logger) (*Traces, error) {
	env := environment{logger: logger}
	if !env.wanted(ctx) {
		return nil, nil
	}
	if err := env.check(ctx); err != nil {
		return nil, err
	}
	exporter, err := env.exporter(ctx)
	if err != nil {
		return nil, err
	}
	// What comes later counts.
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", "packseal"), attribute.String("service.version", version)),
		resource.WithFromEnv())
	if err != nil {
		logger.WarnContext(ctx, "not all is known that traces should say of this process", "err", err)
	}
	s := newSender(exporter, env.secrets(), logger)
	return &Traces{
		provider: sdk.NewTracerProvider(sdk.WithBatcher(s), sdk.WithResource(about)),
		sender:   s,
	}, nil
}

// exporter makes the exporter for the protocol that is asked for. It takes its
// settings from the environment; only its default endpoint is not the
// specification's.
func (e environment) exporter(ctx context.Context) (*otlptrace.Exporter, error) {
	endpoint, protocol := e.setting("ENDPOINT"), e.setting("PROTOCOL")
	var x *otlptrace.Exporter
	var err error
	switch {
	case protocol == "grpc" && endpoint == "":
		x, err = otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL("http://localhost:4317"))
	case protocol == "grpc":
		x, err = otlptracegrpc.New(ctx)
	case endpoint == "":
		x, err = otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL("http://localhost:4318/v1/traces"))
	default:
		x, err = otlptracehttp.New(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("preparing to send traces: %w", err)
	}
	return x, nil
}

// Tracer returns what begins traces, or nil.
func (t *Traces) Tracer() oteltrace.Tracer {
	if t == nil {
		return nil
	}
	return t.provider.Tracer(trace.Scope)
}

// Close sends what is left, also when ctx has ended, but not for longer than
// some seconds. Nothing of t is at work afterwards.
func (t *Traces) Close(ctx context.Context) {
	if t == nil {
		return
	}
	within, stop := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer stop()
	err := t.provider.Shutdown(within)
	t.sender.stop()
	if err != nil {
		t.sender.logger.WarnContext(ctx, "the last traces are lost", "err", t.sender.clean(err))
	}
}
