// Package otlptest provides a collector for tests that receives OTLP over HTTP.
package otlptest

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Receiver is a collector that keeps all it receives.
type Receiver struct {
	URL string // for OTEL_EXPORTER_OTLP_ENDPOINT

	mu       sync.Mutex
	status   int
	requests []*collector.ExportTraceServiceRequest
	raw      []byte
	header   http.Header
}

// New starts a receiver that stops with the test.
func New(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{status: http.StatusOK}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// ServeHTTP accepts spans at /v1/traces.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.header = q.Header.Clone()
	if r.status != http.StatusOK {
		w.WriteHeader(r.status)
		io.WriteString(w, "refused: "+q.Header.Get("Authorization")) //nolint:errcheck // the test sees what is missing
		return
	}
	body := io.Reader(q.Body)
	var err error
	if q.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(q.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	b, err := io.ReadAll(body)
	sent := new(collector.ExportTraceServiceRequest)
	switch {
	case err != nil:
	case q.Header.Get("Content-Type") == "application/json":
		err = protojson.Unmarshal(b, sent)
	default:
		err = proto.Unmarshal(b, sent)
	}
	if err != nil || q.URL.Path != "/v1/traces" || q.Method != http.MethodPost {
		http.Error(w, "not a trace export", http.StatusBadRequest)
		return
	}
	r.requests, r.raw = append(r.requests, sent), append(r.raw, b...)
}

// Answer sets the status of all further responses. Unless it is 200, the body
// repeats the credentials of the request.
func (r *Receiver) Answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// Resources returns the spans received, by the resource that sent them.
func (r *Receiver) Resources() (all []*trace.ResourceSpans) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range r.requests {
		all = append(all, q.ResourceSpans...)
	}
	return all
}

// Spans returns the spans received.
func (r *Receiver) Spans() (all []*trace.Span) {
	for _, resource := range r.Resources() {
		for _, scope := range resource.ScopeSpans {
			all = append(all, scope.Spans...)
		}
	}
	return all
}

// Raw returns the request bodies received, decompressed.
func (r *Receiver) Raw() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.raw)
}

// Header returns the header of the last request; nil if there was none.
func (r *Receiver) Header() http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.header.Clone()
}
