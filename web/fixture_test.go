package web

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// midnight is when the clock of a synctest bubble starts: the packs below are
// seen from there.
var midnight = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

const digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// sealedPack is a pack whose latest report is sealed.
func sealedPack(key, name string) Pack {
	return Pack{
		Source: "prod", Key: key, Name: name, Schedule: "0 2 * * *", TimeZone: "Asia/Shanghai", State: "sealed",
		LastDue: midnight.Add(-6 * time.Hour), LastSealed: midnight.Add(-3 * time.Hour), NextDue: midnight.Add(18 * time.Hour),
		Counts: &Counts{Sealed: 41}, LastObject: "prod/" + key + "/report.xls", LastSHA256: digest, LastSize: 49312,
	}
}

// gapPack is a pack whose latest slot is a gap.
func gapPack(key, name string) Pack {
	p := Pack{
		Source: "prod", Key: key, Name: name, Schedule: "0 2 * * *", TimeZone: "UTC", State: "gap",
		NextDue: midnight.Add(90 * time.Second), Counts: &Counts{Gaps: 2}, LastGap: midnight.Add(-48 * time.Hour), LastReason: fault.NotFound,
	}
	return p
}

// withState returns a pack in another state.
func withState(p Pack, state string) Pack {
	p.State = state
	return p
}

// options returns what makes a server of these packs, each of which has a
// history of n slots, every fifth of them a gap.
func options(n int, packs ...Pack) Options {
	return Options{
		Logger:   slog.New(slog.DiscardHandler),
		Gatherer: prometheus.NewRegistry(),
		Packs:    func() []Pack { return packs },
		Ready:    func() error { return nil },
		Status:   func() Status { return Status{Sinks: []Sink{{Name: "primary", Reached: midnight}}} },
		Version:  "v1.2.3",
		GapAcks: func() func(context.Context, evidence.Slot) (*evidence.Ack, error) {
			return func(context.Context, evidence.Slot) (*evidence.Ack, error) { return nil, nil }
		},
		Records: func(_ context.Context, q Query) iter.Seq2[evidence.Record, error] {
			return func(yield func(evidence.Record, error) bool) {
				for i, yielded := 0, 0; i < n && yielded < q.Limit; i++ {
					r := record(q.Source, q.Pack, i)
					if r.Due.Before(q.From) || !q.To.IsZero() && !r.Due.Before(q.To) || q.State != "" && r.State != q.State {
						continue
					}
					if yielded++; !yield(r, nil) {
						return
					}
				}
			}
		},
	}
}

// record is the slot of i days ago.
func record(source, pack string, i int) evidence.Record {
	due := midnight.AddDate(0, 0, -i)
	r := evidence.Record{Slot: evidence.Slot{Source: source, Pack: pack, Due: due}, Settled: due.Add(time.Minute)}
	if i%5 == 4 {
		r.State, r.Reason, r.Detail = evidence.Gapped, fault.Deadline, "the status is still CREATING"
		return r
	}
	r.State, r.Object, r.Size, r.SHA256, r.LateSeconds = evidence.Sealed, fmt.Sprintf("o/%d.xls", i), 2048, digest, 60
	return r
}

// handler makes a server's handler.
func handler(t testing.TB, opts Options) http.Handler {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s.Handler()
}

// get asks h for a page. Each header is "Name: value".
func get(h http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	return send(h, "GET", target, headers...)
}

func send(h http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// wantAll checks that the body holds all of these, and in this order.
func wantAll(t *testing.T, body string, parts ...string) {
	t.Helper()
	rest := body
	for _, part := range parts {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			t.Errorf("the page does not say %q (there, after what comes before it)\n%s", part, body)
			return
		}
		rest = after
	}
}

// wantNone checks that the body holds none of these.
func wantNone(t *testing.T, body string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(body, part) {
			t.Errorf("the page says %q\n%s", part, body)
		}
	}
}

// logged is a logger, and what it wrote.
func logged() (*slog.Logger, *bytes.Buffer) {
	var buf bytes.Buffer
	return slog.New(slog.NewJSONHandler(&buf, nil)), &buf
}
