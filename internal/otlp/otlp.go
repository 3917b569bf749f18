// Package otlp exports traces by OTLP over HTTP or gRPC, configured by
// OpenTelemetry's standard environment variables.
//
// Tracing is off unless OTEL_TRACES_EXPORTER=otlp or an OTLP endpoint is set. As
// the specification demands, a variable with an invalid value is ignored with a
// warning; an endpoint, header or certificate that cannot be used is an error.
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

// closeTime is how long Close may take to export the last spans.
const closeTime = 5 * time.Second

// Traces exports spans from a bounded queue. Spans are dropped while it is
// full, so that tracing never blocks. The methods of a nil *Traces do nothing.
type Traces struct {
	provider *sdk.TracerProvider
	sender   *sender
}

// Open returns the Traces that the environment configures, or nil if tracing is
// off. It does not connect yet. Invalid variables are removed from the
// environment: OpenTelemetry's SDK reads it too, prints values that it cannot
// parse to standard error, credentials included, and panics on some.
func Open(ctx context.Context, version string, logger *slog.Logger) (*Traces, error) {
	env := environment{logger: logger}
	if !env.enabled(ctx) {
		return nil, nil
	}
	if err := env.check(ctx); err != nil {
		return nil, err
	}
	exporter, err := env.exporter(ctx)
	if err != nil {
		return nil, err
	}
	// The last of these wins.
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", "packseal"), attribute.String("service.version", version)),
		resource.WithFromEnv())
	if err != nil {
		logger.WarnContext(ctx, "trace resource incomplete", "err", err)
	}
	s := newSender(exporter, env.secrets(), logger)
	return &Traces{
		provider: sdk.NewTracerProvider(sdk.WithBatcher(s), sdk.WithResource(about)),
		sender:   s,
	}, nil
}

// exporter returns the exporter for the protocol that is set. It is configured
// by the environment; only its default endpoint differs from the SDK's, which
// is https.
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
		return nil, fmt.Errorf("creating the trace exporter: %w", err)
	}
	return x, nil
}

// Tracer returns the tracer for [trace.Root]; nil if tracing is off.
func (t *Traces) Tracer() oteltrace.Tracer {
	if t == nil {
		return nil
	}
	return t.provider.Tracer(trace.Scope)
}

// Close exports the remaining spans for up to five seconds, even if ctx has
// ended. No goroutine of t is left afterwards.
func (t *Traces) Close(ctx context.Context) {
	if t == nil {
		return
	}
	within, stop := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer stop()
	err := t.provider.Shutdown(within)
	t.sender.stop()
	if err != nil {
		t.sender.logger.WarnContext(ctx, "traces lost at shutdown", "err", t.sender.clean(err))
	}
}
