package fetcher_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// mark is in the query of every link in these tests.
const mark = "MARKED91c4"

// tries is the value of maxTries.
const tries = 5

var (
	due   = time.Date(2026, 5, 1, 2, 0, 0, 0, time.UTC)
	aSlot = evidence.Slot{Source: "prod", Pack: "cp-1", Due: due}

	discard = slog.New(slog.DiscardHandler)
)

// content returns n bytes that begin like a workbook.
func content(n int) []byte {
	b := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
	copy(b, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")
	return b
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// store is an object store. It numbers requests from 0.
type store struct {
	answer func(n int, r *http.Request) *http.Response // returns nil if the connection is refused
	seen   []*http.Request
}

func (s *store) RoundTrip(r *http.Request) (*http.Response, error) {
	s.seen = append(s.seen, r)
	resp := s.answer(len(s.seen)-1, r)
	if resp == nil {
		return nil, errors.New("connection refused")
	}
	resp.Request = r
	return resp, nil
}

// serve returns a response with that body; headers are pairs.
func serve(status int, body []byte, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
}

// refuse returns an error response of OSS.
func refuse(status int, code, message string) *http.Response {
	return serve(status, fmt.Appendf(nil, "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>%s</Message><RequestId>R-1</RequestId></Error>", code, message))
}

// good serves a report.
func good(int, *http.Request) *http.Response { return serve(http.StatusOK, content(1000)) }

// source is a scripted Source. It numbers lookups from 0.
type source struct {
	generate func(t fetcher.Ticket) (fetcher.Ticket, error) // nil returns the ticket as it is
	lookup   func(n int, t fetcher.Ticket) (fetcher.Link, error)

	sends    bool  // Generate saves the ticket before it requests
	attempts []int // of each Generate
	lookups  int
}

func (s *source) Generate(_ context.Context, o fetcher.Order) (fetcher.Ticket, error) {
	s.attempts = append(s.attempts, o.Attempt)
	t := fetcher.Ticket{Slot: o.Slot, Attempt: o.Attempt, Requested: time.Now().UTC(), RequestIDs: []string{"R-generate"}}
	if s.sends {
		if err := o.Sending(t); err != nil {
			return t, err
		}
	}
	if s.generate != nil {
		return s.generate(t)
	}
	return t, nil
}

func (s *source) Lookup(_ context.Context, t fetcher.Ticket) (fetcher.Link, error) {
	s.lookups++
	return s.lookup(s.lookups-1, t)
}

// linkTo returns a link without an expiry.
func linkTo(address string) fetcher.Link {
	return fetcher.Link{
		URL: fetcher.SecretURL(address + "?Signature=" + mark), Account: "123", RequestID: "R-get",
		Created: due.Add(time.Minute),
	}
}

// expiring returns a link that expires in left by the source's clock, which is
// ahead of ours by skew.
func expiring(left, skew time.Duration) fetcher.Link {
	l := linkTo("https://bucket.example.com/report.xls")
	l.Served = time.Now().Add(skew)
	l.URL += fetcher.SecretURL(fmt.Sprintf("&Expires=%d", l.Served.Add(left).Unix()))
	return l
}

// always returns the same link.
func always(l fetcher.Link) func(int, fetcher.Ticket) (fetcher.Link, error) {
	return func(int, fetcher.Ticket) (fetcher.Link, error) { return l, nil }
}

// fixture is a Fetcher with its environment.
type fixture struct {
	*fetcher.Fetcher
	source *source
	store  *store
	spool  *fetcher.Spool
	reg    *prometheus.Registry
	dir    string
	log    bytes.Buffer
}

// newFixture permits links to *.example.com and to loopback addresses. Without a
// store, downloads use sockets.
func newFixture(t *testing.T, src *source, st *store, settings fetcher.Settings) *fixture {
	t.Helper()
	h := &fixture{source: src, store: st, reg: prometheus.NewRegistry(), dir: t.TempDir()}
	o := fetcher.Options{
		Source: src, Settings: settings, Registerer: h.reg,
		Bounds: fetcher.Bounds{LinkHosts: []string{"*.example.com", "127.0.0.1", "::1", "localhost"}},
		Logger: slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if st != nil {
		o.Transport = st
	}
	var err error
	if h.Fetcher, err = fetcher.New(o); err != nil {
		t.Fatal(err)
	}
	if h.spool, err = fetcher.OpenSpool(h.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.checkLeaks(t) })
	return h
}

// fetch fetches the report of aSlot. It fails the test if the report or the error
// contain the query of a link.
func (h *fixture) fetch(ctx context.Context, t *testing.T) (fetcher.Report, error) {
	t.Helper()
	e, err := h.spool.Lock(ctx, aSlot)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	r, err := h.Fetch(ctx, e, aSlot)
	if text := fmt.Sprintf("%+v %v %#v %s", r, err, err, fault.Hint(err)); strings.Contains(text, mark) {
		t.Errorf("the query of a link leaks: %s", text)
	}
	return r, err
}

// checkLeaks fails the test if log, spool or metrics contain a link.
func (h *fixture) checkLeaks(t *testing.T) {
	t.Helper()
	places := map[string]string{"log": h.log.String()}
	err := filepath.WalkDir(h.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		places[name] = string(b)
		return err
	})
	families, gathering := h.reg.Gather()
	if err = errors.Join(err, gathering); err != nil {
		t.Error(err)
	}
	var metrics strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&metrics, f); err != nil {
			t.Error(err)
		}
	}
	places["metrics"] = metrics.String()
	for place, text := range places {
		if strings.Contains(text, mark) {
			t.Errorf("%s contains a part of a link: %s", place, text)
		}
	}
}

// value returns the total of a metric over its series, which is the sum of a
// histogram, and the count of a histogram.
func (h *fixture) value(t *testing.T, name string) (total float64, count uint64) {
	t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetHistogram().GetSampleSum()
				count += m.GetHistogram().GetSampleCount()
			}
		}
	}
	return total, count
}
