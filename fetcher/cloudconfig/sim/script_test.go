package sim_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher/cloudconfig/sim"
)

// rateHeader matches the header with the time to wait.
var rateHeader = regexp.MustCompile(`^Limit:\d+,Remain:0,TimeLeft:[1-9]\d*,Reset:\d+$`)

// TestFailures: calls fail in the order of the script, and then succeed.
func TestFailures(t *testing.T) {
	t.Parallel()
	s := one(t, sim.Script{Throttles: 2, Failures: []sim.Failure{
		{Call: "GenerateCompliancePackReport", Code: "NoPermission"},
		{Code: "ServiceUnavailable", Times: 2},
		{Status: 502, Body: "<html>bad gateway</html>"},
		{Code: "SomethingNew", Status: 418},
	}})
	type result struct {
		Status int
		Code   string
	}
	var got []result
	for range 8 {
		a := call(t, s, "GetCompliancePackReport", "CompliancePackId", ordinary)
		got = append(got, result{a.Status, a.JSON.Code})
		if a.JSON.Code == "Throttling.User" && !rateHeader.MatchString(a.Header.Get("x-ratelimit-user")) {
			t.Errorf("x-ratelimit-user: %q", a.Header.Get("x-ratelimit-user"))
		}
	}
	want := []result{
		{400, "Throttling.User"}, {400, "Throttling.User"}, {503, "ServiceUnavailable"}, {503, "ServiceUnavailable"},
		{502, ""}, {418, "SomethingNew"}, {200, ""}, {200, ""},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("responses (-want +got):\n%s", d)
	}
	if code := generate(t, s, "a"); code != "NoPermission" {
		t.Errorf("generating: %q", code)
	}
	if d := cmp.Diff(map[string]int{"GetCompliancePackReport": 8, "GenerateCompliancePackReport": 1}, s.Calls()); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
	}
}

// TestClosed: an empty failure closes the connection, after its delay or when the
// client disconnects.
func TestClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := one(t, sim.Script{Failures: []sim.Failure{{Delay: time.Minute, Times: 2}}})
		for _, patience := range []time.Duration{time.Hour, time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r := signed("GetCompliancePackReport", time.Now(), "CompliancePackId", ordinary)
			begin := time.Now()
			if err := aborted(s, r.WithContext(ctx)); err == nil {
				t.Error("there was a response")
			}
			if took := time.Since(begin); took != min(patience, time.Minute) {
				t.Errorf("took %v with a patience of %v", took, patience)
			}
		}
	})
}

// aborted serves the request, and returns http.ErrAbortHandler if the server closed
// the connection.
func aborted(s http.Handler, r *http.Request) (err error) {
	defer func() {
		if p, ok := recover().(error); ok && errors.Is(p, http.ErrAbortHandler) {
			err = p
		}
	}()
	s.ServeHTTP(httptest.NewRecorder(), r)
	return nil
}

// TestRate: calls over the rate are refused, with the time to wait.
func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, sim.Options{RatePerSecond: 5, Packs: []sim.Pack{{ID: ordinary}}})
		allowed := func(n int) (ok int) {
			for range n {
				if a := call(t, s, "GetCompliancePackReport", "CompliancePackId", ordinary); a.Status == 200 {
					ok++
				} else if a.JSON.Code != "Throttling.User" || !strings.Contains(a.Header.Get("x-ratelimit-user"), "TimeLeft:200,") {
					t.Errorf("refused as %s, %q", a.JSON.Code, a.Header.Get("x-ratelimit-user"))
				}
			}
			return ok
		}
		if n := allowed(6); n != 5 {
			t.Errorf("%d calls at once, want 5", n)
		}
		time.Sleep(200 * time.Millisecond)
		if n := allowed(1); n != 1 {
			t.Error("refused after the stated time")
		}
	})
}

// TestConcurrent calls many packs from many goroutines.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	packs := make([]sim.Pack, 100)
	for i := range packs {
		packs[i] = sim.Pack{ID: "cp-" + strings.Repeat("0", i%7) + nonce(), Script: sim.Script{Blob: true, Size: 100 + i}}
	}
	s := newServer(t, sim.Options{Packs: packs})
	var wg sync.WaitGroup
	for i, p := range packs {
		for range 3 {
			wg.Go(func() {
				call(t, s, "GenerateCompliancePackReport", "CompliancePackId", p.ID, "ClientToken", "same")
				if a := get(t, s, look(t, s, p.ID)); a.Status != 200 || len(a.Body) != 100+i {
					t.Errorf("%d with %d bytes, want %d", a.Status, len(a.Body), 100+i)
				}
			})
		}
	}
	wg.Wait()
	if n := s.Calls()[sim.Download]; n != 300 {
		t.Errorf("%d downloads counted", n)
	}
}

// TestDemo: the packs of the demo are valid.
func TestDemo(t *testing.T) {
	t.Parallel()
	packs := sim.Demo()
	newServer(t, sim.Options{Packs: slices.Concat(packs, sim.DemoKinds(), sim.DemoFound())})
	id := regexp.MustCompile(`^cp-[0-9a-f]{20}$`)
	forms := map[sim.LinkForm]bool{}
	for _, p := range packs {
		forms[p.Script.Link] = true
		if !id.MatchString(p.ID) || p.Name == "" || p.ID == sim.MissingPackID {
			t.Errorf("pack %q, %q", p.ID, p.Name)
		}
	}
	if len(packs) < 7 || len(forms) < 3 || !id.MatchString(sim.MissingPackID) {
		t.Errorf("%d packs, %d forms of links", len(packs), len(forms))
	}
}
