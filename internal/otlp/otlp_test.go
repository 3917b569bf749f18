package otlp_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"packseal.example/internal/fault"
	"packseal.example/internal/otlp"
	"packseal.example/internal/otlp/otlptest"
	"packseal.example/internal/trace"
)

// The environment is that of the process: no test here can be parallel.

// open opens traces in an environment of these variables, NAME=value.
func open(t *testing.T, variables ...string) (*otlp.Traces, *bytes.Buffer, error) {
	t.Helper()
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	log := new(bytes.Buffer)
	traces, err := otlp.Open(t.Context(), "1.2.3", slog.New(slog.NewTextHandler(log, nil)))
	return traces, log, err
}

// export exports one span.
func export(t *testing.T, traces *otlp.Traces) {
	t.Helper()
	if traces == nil {
		t.Fatal("no traces")
	}
	_, s := trace.Root(t.Context(), traces.Tracer(), "slot")
	s.End(nil)
	traces.Close(t.Context())
}

// TestOff: tracing is off by default, and costs nothing then.
func TestOff(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for _, variables := range [][]string{
		nil,
		{"OTEL_SERVICE_NAME=x", "OTEL_RESOURCE_ATTRIBUTES=nonsense", "OTEL_EXPORTER_OTLP_HEADERS=nonsense"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_TRACES_EXPORTER=none"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_TRACES_EXPORTER=otlp", "OTEL_SDK_DISABLED=TRUE"},
		{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://127.0.0.1:1"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT="},
	} {
		t.Run(strings.Join(variables, " "), func(t *testing.T) {
			traces, log, err := open(t, variables...)
			if traces != nil || traces.Tracer() != nil || err != nil || log.Len() > 0 {
				t.Errorf("traces %v, error %v, log %s", traces, err, log)
			}
			traces.Close(t.Context())
		})
	}
	goleak.VerifyNone(t, before)
}

// TestSends: each protocol and variable has its effect.
func TestSends(t *testing.T) {
	for _, protocol := range []string{"", "http/protobuf", "http/json"} {
		t.Run(protocol, func(t *testing.T) {
			r := otlptest.New(t)
			traces, log, err := open(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "OTEL_EXPORTER_OTLP_PROTOCOL="+protocol,
				"OTEL_EXPORTER_OTLP_COMPRESSION=gzip", "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20abc",
				"OTEL_SERVICE_NAME=evidence", "OTEL_RESOURCE_ATTRIBUTES=service.name=other,team=a%2Cb")
			if err != nil {
				t.Fatal(err)
			}
			export(t, traces)
			about := map[string]string{}
			for _, resource := range r.Resources() {
				for _, a := range resource.Resource.Attributes {
					about[a.Key] = a.Value.GetStringValue()
				}
			}
			host, _ := os.Hostname()
			want := map[string]string{
				"service.name": "evidence", "service.version": "1.2.3", "team": "a,b", "host.name": host,
				"telemetry.sdk.language": "go", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.version": about["telemetry.sdk.version"],
			}
			if diff := cmp.Diff(want, about); diff != "" {
				t.Error(diff)
			}
			if len(r.Spans()) != 1 || r.Header().Get("Authorization") != "Bearer abc" || log.Len() > 0 {
				t.Errorf("%d spans, header %v, log %s", len(r.Spans()), r.Header(), log)
			}
		})
	}
}

// service is a collector over gRPC.
type service struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	spans int
}

func (s *service) Export(_ context.Context, q *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans += len(q.ResourceSpans[0].ScopeSpans[0].Spans)
	return new(collector.ExportTraceServiceResponse), nil
}

func TestSendsByGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, got := grpc.NewServer(), new(service)
	collector.RegisterTraceServiceServer(server, got)
	go server.Serve(l) //nolint:errcheck // Stop ends it
	defer server.Stop()
	traces, log, err := open(t, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://"+l.Addr().String(), "OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
	if err != nil {
		t.Fatal(err)
	}
	export(t, traces)
	if got.spans != 1 || log.Len() > 0 {
		t.Errorf("%d spans, log %s", got.spans, log)
	}
}

// TestIgnores: an invalid value of these variables is ignored with a warning
// that does not quote it.
func TestIgnores(t *testing.T) {
	for _, variable := range []string{
		"OTEL_SDK_DISABLED=perhapsMARK", "OTEL_TRACES_EXPORTER=MARK", "OTEL_EXPORTER_OTLP_PROTOCOL=MARK", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=MARK",
		"OTEL_EXPORTER_OTLP_TIMEOUT=10MARK", "OTEL_EXPORTER_OTLP_INSECURE=MARK", "OTEL_RESOURCE_ATTRIBUTES=a=b,MARK", "OTEL_RESOURCE_ATTRIBUTES=a=%MARK",
		"OTEL_TRACES_SAMPLER=MARK", "OTEL_TRACES_SAMPLER_ARG=1.5", "OTEL_BSP_MAX_QUEUE_SIZE=-1", "OTEL_BSP_MAX_QUEUE_SIZE=99999999999999",
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE=0", "OTEL_BSP_SCHEDULE_DELAY=MARK", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=-5",
	} {
		t.Run(variable, func(t *testing.T) {
			r := otlptest.New(t)
			traces, log, err := open(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, variable)
			if err != nil {
				t.Fatal(err)
			}
			export(t, traces)
			name, _, _ := strings.Cut(variable, "=")
			if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "name="+name+" hint=") || strings.Contains(got, "MARK") {
				t.Errorf("log %s", got)
			}
			if len(r.Spans()) != 1 || bytes.Contains(r.Raw(), []byte("MARK")) {
				t.Errorf("%d spans", len(r.Spans()))
			}
		})
	}
}

// TestRefuses: an invalid value of these variables is an error that names the
// variable and does not quote it.
func TestRefuses(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=MARK:4318", "OTEL_EXPORTER_OTLP_ENDPOINT=http://", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://user:MARK@localhost",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost/?MARK", "OTEL_EXPORTER_OTLP_ENDPOINT=://MARK",
		"OTEL_EXPORTER_OTLP_HEADERS=MARK", "OTEL_EXPORTER_OTLP_HEADERS=a=b,c=%MARK", "OTEL_EXPORTER_OTLP_TRACES_HEADERS=a b=MARK", "OTEL_EXPORTER_OTLP_HEADERS=a=b%0AMARK",
		"OTEL_EXPORTER_OTLP_CERTIFICATE=" + text, "OTEL_EXPORTER_OTLP_CERTIFICATE=" + text + ".not",
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=" + text, "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY=" + text,
	} {
		t.Run(filepath.Base(variable), func(t *testing.T) {
			traces, log, err := open(t, "OTEL_TRACES_EXPORTER=otlp", variable)
			name, _, _ := strings.Cut(variable, "=")
			name = strings.Replace(name, "_KEY", "_CERTIFICATE", 1) // the name under which the pair is reported
			if traces != nil || err == nil || log.Len() > 0 {
				t.Fatalf("traces %v, error %v, log %s", traces, err, log)
			}
			if !strings.HasPrefix(err.Error(), name+": ") || strings.Contains(err.Error(), "MARK") || fault.Hint(err) == "" {
				t.Errorf("%v, hint %s", err, fault.Hint(err))
			}
		})
	}
}

// TestReceiverFails: a collector that fails causes one log message, without the
// credentials that it repeats, and one more when it recovers.
func TestReceiverFails(t *testing.T) {
	r := otlptest.New(t)
	r.Answer(http.StatusForbidden)
	traces, log, err := open(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20MARK", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=1")
	if err != nil {
		t.Fatal(err)
	}
	flush := func() {
		_, s := trace.Root(t.Context(), traces.Tracer(), "slot")
		s.End(nil)
		if err := traces.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	flush()
	flush()
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "trace export failed") || !strings.Contains(got, "refused: (secret)") || strings.Contains(got, "MARK") {
		t.Errorf("log %s", got)
	}
	r.Answer(http.StatusOK)
	flush()
	traces.Close(t.Context())
	if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "trace export recovered") || len(r.Spans()) != 1 {
		t.Errorf("log %s", got)
	}
}
