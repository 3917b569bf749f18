package cloudconfig

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

var (
	due    = time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)
	before = due.Add(-24 * time.Hour)
	after  = due.Add(time.Minute)
)

func TestGenerate(t *testing.T) {
	t.Parallel()
	ok := func() *http.Response { return respond(200, `{"RequestId":"R-gen","CompliancePackId":"cp-1"}`) }
	creating := func() *http.Response { return refusing(400, "CompliancePackReportCreating") }
	refuse := func() *http.Response { return refusing(403, "NoPermission") }
	for name, c := range map[string]struct {
		get, generate func() *http.Response // nil: not to be called
		want          fetcher.Ticket
		reason        fault.Reason
	}{
		"nothing there":   {get: func() *http.Response { return reporting("NONE", "", time.UnixMilli(0)) }, generate: ok},
		"left out":        {get: func() *http.Response { return respond(200, `{"RequestId":"R-get"}`) }, generate: ok},
		"yesterday's":     {get: func() *http.Response { return reporting("COMPLETE", "u", before) }, generate: ok, want: fetcher.Ticket{Baseline: before}},
		"other spelling":  {get: func() *http.Response { return reporting("Completed", "u", before) }, generate: ok, want: fetcher.Ticket{Baseline: before}},
		"made since":      {get: func() *http.Response { return reporting("COMPLETE", "u", after) }, want: fetcher.Ticket{Attached: true}},
		"made when due":   {get: func() *http.Response { return reporting("COMPLETE", "u", due) }, want: fetcher.Ticket{Attached: true}},
		"in progress":     {get: func() *http.Response { return reporting("CREATING", "", after) }, generate: creating, want: fetcher.Ticket{Attached: true}},
		"was in progress": {get: func() *http.Response { return reporting("CREATING", "", before) }, generate: ok, want: fetcher.Ticket{Baseline: before}},
		"begun meanwhile": {get: func() *http.Response { return reporting("COMPLETE", "", before) }, generate: creating, want: fetcher.Ticket{Attached: true, Baseline: before}},
		"unknown word":    {get: func() *http.Response { return reporting("PONDERING", "", before) }, generate: ok, want: fetcher.Ticket{Baseline: before}},
		"no look":         {get: refuse, reason: fault.Denied},
		"no permission":   {get: func() *http.Response { return reporting("NONE", "", before) }, generate: refuse, reason: fault.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(due))
				s := &stub{answer: func(n int, r *http.Request) (*http.Response, error) {
					if n == 0 {
						return c.get(), nil
					}
					return c.generate(), nil
				}}
				got, err := newTest(t, s).Generate(t.Context(), fetcher.Order{Slot: aPack.Slot(due), Attempt: 2})
				if fault.Of(err) != c.reason {
					t.Fatalf("got %v", err)
				}
				if err != nil {
					cleanError(t, err)
					return
				}
				want := c.want
				want.Slot, want.Attempt, want.Requested = aPack.Slot(due), 2, time.Now().UTC()
				want.RequestIDs = []string{"R-get"}
				if c.generate != nil {
					want.RequestIDs = append(want.RequestIDs, map[bool]string{false: "R-gen", true: "R-1"}[want.Attached])
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// If the slot is not due by the API's clock, Generate waits for seconds, but
// returns an error if it takes minutes. It makes no request before.
func TestGenerateEarly(t *testing.T) {
	t.Parallel()
	for left, waits := range map[time.Duration]bool{0: true, 2 * time.Second: true, 5 * time.Minute: false} {
		t.Run(left.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &stub{answer: func(n int, _ *http.Request) (*http.Response, error) {
					if n > 0 {
						return respond(200, `{"RequestId":"R-gen"}`), nil
					}
					r := reporting("COMPLETE", "u", before)
					r.Header.Set("Date", due.Add(-left).Format(http.TimeFormat))
					return r, nil
				}}
				start := time.Now()
				_, err := newTest(t, s).Generate(t.Context(), fetcher.Order{Slot: aPack.Slot(due)})
				if took := time.Since(start); waits && (err != nil || took < left) {
					t.Errorf("%v after %v", err, took)
				}
				if !waits && (fault.Of(err) != fault.NotReady || fault.RetryAfter(err) != left || len(s.seen) != 1) {
					t.Errorf("got %v, retry after %v", err, fault.RetryAfter(err))
				}
			})
		})
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	const link = "https://b.oss-cn-shanghai.aliyuncs.com/r.xls?Expires=1&Signature=MARKED"
	asked := fetcher.Ticket{Slot: aPack.Slot(due), Baseline: before}
	attached := fetcher.Ticket{Slot: aPack.Slot(due), Attached: true}
	for name, c := range map[string]struct {
		ticket fetcher.Ticket
		status string
		url    string
		at     time.Time
		reason fault.Reason
		stale  bool
	}{
		"fresh":             {asked, "COMPLETE", link, after, "", false},
		"other spelling":    {asked, "completed", link, after, "", false},
		"a second newer":    {asked, "COMPLETE", link, before.Add(time.Millisecond), "", false},
		"the same":          {asked, "COMPLETE", link, before, fault.NotReady, true},
		"older":             {asked, "COMPLETE", link, before.Add(-1), fault.NotReady, true},
		"attached and due":  {attached, "COMPLETE", link, due, "", false},
		"attached, too old": {attached, "COMPLETE", link, due.Add(-time.Millisecond), fault.NotReady, true},
		"no time":           {asked, "COMPLETE", link, time.UnixMilli(0), fault.NotReady, true},
		"no link":           {asked, "COMPLETE", "", after, fault.NotReady, false},
		"in progress":       {asked, "CREATING", link, after, fault.NotReady, false},
		"unknown word":      {asked, "PONDERING", link, after, fault.NotReady, false},
		"nothing":           {asked, "NONE", "", time.UnixMilli(0), fault.NotReady, true},
		"given up":          {asked, "FAILED", "", after, fault.NotReady, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &stub{answer: func(int, *http.Request) (*http.Response, error) { return reporting(c.status, c.url, c.at), nil }}
				got, err := newTest(t, s).Lookup(t.Context(), c.ticket)
				if fault.Of(err) != c.reason || errors.Is(err, fetcher.ErrStale) != c.stale {
					t.Fatalf("got %q, stale %v: %v", fault.Of(err), errors.Is(err, fetcher.ErrStale), err)
				}
				cleanError(t, err)
				clean(t, fmt.Sprintf("%v %+v %#v", got, got, got))
				if err != nil {
					return
				}
				want := fetcher.Link{URL: link, Created: c.at, Account: "123", Served: time.Now().UTC(), RequestID: "R-get"}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestClientToken(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range []evidence.PackRef{aPack, {ID: "cp-2"}, {ID: "cp-1", Aggregator: "ca-1"}} {
		for _, at := range []time.Time{due, due.Add(time.Second)} {
			for attempt := range 2 {
				token := clientToken(p.Slot(at), attempt)
				if seen[token] || len(token) > 64 || !strings.HasPrefix(token, "packseal-") {
					t.Errorf("token %q", token)
				}
				seen[token] = true
				p.Source = "elsewhere"
				if again := clientToken(evidence.Slot{Source: p.Source, Pack: p.Key(), Due: at.In(time.FixedZone("", 3600))}, attempt); again != token {
					t.Errorf("%q becomes %q", token, again)
				}
			}
		}
	}
	// The token must not differ between versions.
	if got, want := clientToken(aPack.Slot(due), 0), "packseal-"+hexSum([]byte("cp-1\n1772388000\n0"))[:40]; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
