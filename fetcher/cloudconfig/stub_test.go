package cloudconfig

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/ram"
)

// marked are keys to detect leaks. The escaped token differs from the token.
var marked = ram.Keys{ID: "MARKED-id", Secret: "MARKED-secret", Token: "MARKED/token+="}

// seen is a request that was received.
type seen struct {
	*http.Request
	body string
	at   time.Time
}

// stub is an API without a socket. It numbers requests from 0.
type stub struct {
	answer func(n int, r *http.Request) (*http.Response, error)

	mu   sync.Mutex
	seen []seen
}

func (s *stub) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	n := len(s.seen)
	s.seen = append(s.seen, seen{r, string(body), time.Now()})
	s.mu.Unlock()
	return s.answer(n, r)
}

// respond returns a response; headers are pairs.
func respond(status int, body string, headers ...string) *http.Response {
	h := http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// refusing returns an error response of the API.
func refusing(status int, code string) *http.Response {
	return respond(status, `{"RequestId":"R-1","HostId":"h","Code":"`+code+`","Message":"no","Recommend":"https://x"}`)
}

// reporting returns the response to a Get.
func reporting(status, url string, created time.Time) *http.Response {
	return respond(200, `{"RequestId":"R-get","CompliancePackReport":{"AccountId":123,"CompliancePackId":"cp-1","ReportCreateTimestamp":`+
		strconv.FormatInt(created.UnixMilli(), 10)+`,"ReportStatus":"`+status+`","ReportUrl":"`+url+`"}}`)
}

// fixed is a provider of constant keys.
type fixed struct{ keys ram.Keys }

func (f fixed) Get(context.Context) (ram.Keys, error) { return f.keys, nil }
func (fixed) Invalidate(ram.Keys)                     {}
func (fixed) Origin() string                          { return "nowhere" }

// newTest returns a client of the stub. It fails the test if the log contains
// secrets.
func newTest(t testing.TB, s *stub) *Client {
	t.Helper()
	var logs bytes.Buffer
	var mu sync.Mutex
	c, err := New(Options{Endpoint: "https://config.example.com", RequestsPerSecond: 100, RequestTimeout: 10 * time.Second},
		fetcher.Env{
			Registerer: prometheus.NewRegistry(), UserAgent: "packseal/test",
			Logger: slog.New(slog.NewTextHandler(locked{&mu, &logs}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}, s)
	if err != nil {
		t.Fatal(err)
	}
	c.keys = fixed{marked}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		clean(t, logs.String())
	})
	return c
}

type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// clean fails the test if the text contains a secret.
func clean(t testing.TB, text string) {
	t.Helper()
	if strings.Contains(strings.ToUpper(text), "MARKED") {
		t.Errorf("a secret leaks: %s", text)
	}
}

// cleanError fails the test if the error, its hint or its chain contain a secret.
func cleanError(t testing.TB, err error) {
	t.Helper()
	for ; err != nil; err = unwrap(err) {
		clean(t, err.Error())
		clean(t, fault.Hint(err))
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return nil
}

// aPack is the pack of most tests.
var aPack = evidence.PackRef{ID: "cp-1"}
