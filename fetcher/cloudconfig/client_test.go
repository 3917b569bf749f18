package cloudconfig

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/fetcher"
	"packseal.example/internal/fault"
)

// TestSent holds what goes out: documented parameters alone, in the documented
// place, and no header that is not needed.
func TestSent(t *testing.T) {
	t.Parallel()
	group := fetcher.Pack{ID: "cp-1", Aggregator: "ca-1"}
	due := time.Date(2026, 3, 1, 18, 0, 0, 0, time.UTC)
	token := clientToken(aPack, due, 0)
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: func(int, *http.Request) (*http.Response, error) { return respond(200, `{"RequestId":"R"}`), nil }}
		c := newTest(t, s)
		for _, p := range []fetcher.Pack{aPack, group} {
			if _, err := c.Generate(t.Context(), p, due, 0); err != nil {
				t.Fatal(err)
			}
			for range c.Packs(t.Context(), p.Aggregator) {
				t.Error("a pack out of nothing")
			}
		}
		var got []string
		for _, r := range s.seen {
			got = append(got, r.Method+" "+r.Header.Get("X-Acs-Action")+" ?"+r.URL.RawQuery+" "+r.body)
			if r.URL.Path != "/" || r.Header.Get("Accept") != "application/json" || r.Header.Get("User-Agent") != "packseal/test" || r.Header.Get("X-Acs-Version") != "2020-09-07" {
				t.Errorf("path %q, headers %v", r.URL.Path, r.Header)
			}
			if form := r.Header.Get("Content-Type"); (form != "") != (r.body != "") {
				t.Errorf("content type %q of body %q", form, r.body)
			}
		}
		if diff := cmp.Diff([]string{
			"GET GetCompliancePackReport ?CompliancePackId=cp-1 ",
			"POST GenerateCompliancePackReport ? ClientToken=" + token + "&CompliancePackId=cp-1",
			"POST ListCompliancePacks ?PageNumber=1&PageSize=100 ",
			"GET GetAggregateCompliancePackReport ?AggregatorId=ca-1&CompliancePackId=cp-1 ",
			"POST GenerateAggregateCompliancePackReport ? AggregatorId=ca-1&ClientToken=" + clientToken(group, due, 0) + "&CompliancePackId=cp-1",
			"POST ListAggregateCompliancePacks ?AggregatorId=ca-1&PageNumber=1&PageSize=100 ",
		}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestRepeatsAreSignedAnew: a nonce is good once, and the date is the time.
func TestRepeatsAreSignedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plan := []*http.Response{
			refusing(503, "ServiceUnavailable"), refusing(400, "SignatureNonceUsed"), refusing(400, "Throttling.User"),
			refusing(400, "InvalidSecurityToken.Expired"), nil, respond(200, `{"RequestId":"R"}`),
		}
		s := &stub{answer: func(n int, _ *http.Request) (*http.Response, error) {
			if plan[n] == nil {
				return nil, &url.Error{Op: "Get", URL: "https://x/?MARKED", Err: errors.New("connection reset")}
			}
			return plan[n], nil
		}}
		if _, err := newTest(t, s).do(t.Context(), reportCall("Get", aPack)); err != nil {
			t.Fatal(err)
		}
		nonces := map[string]bool{}
		for _, r := range s.seen {
			nonces[r.Header.Get("X-Acs-Signature-Nonce")] = true
			if got := r.Header.Get("X-Acs-Date"); got != r.at.UTC().Format(stamp) {
				t.Errorf("dated %s at %s", got, r.at.UTC())
			}
		}
		if len(nonces) != len(plan) {
			t.Errorf("%d nonces for %d tries", len(nonces), len(plan))
		}
	})
}

// TestThrottlePausesTheSource: no call of the source starts before TimeLeft
// has passed, whichever call was told.
func TestThrottlePausesTheSource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const pause = 7 * time.Second
		s := &stub{answer: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 0 {
				r := refusing(400, "Throttling.User")
				r.Header.Set("X-Ratelimit-User-Api", "Limit:10,Remain:0,TimeLeft:7000,Reset:1")
				return r, nil
			}
			return respond(200, `{"RequestId":"R"}`), nil
		}}
		c := newTest(t, s)
		began := time.Now()
		var calls sync.WaitGroup
		one := func() {
			if _, err := c.do(t.Context(), reportCall("Get", aPack)); err != nil {
				t.Error(err)
			}
		}
		calls.Go(one)
		synctest.Wait() // it is throttled now
		if got := c.limit.rate.Limit(); got != c.limit.full/2 {
			t.Errorf("the rate is %v after a throttle", got)
		}
		for range 19 {
			calls.Go(one)
		}
		calls.Wait()
		for i, r := range s.seen[1:] {
			if waited := r.at.Sub(began); waited < pause {
				t.Errorf("call %d started after %s", i+1, waited)
			}
		}
		if got := time.Since(began); len(s.seen) != 21 || got > pause+2*time.Second {
			t.Errorf("%d calls in %s", len(s.seen), got)
		}
		if got := c.limit.rate.Limit(); got != c.limit.full {
			t.Errorf("the rate has not recovered: %v", got)
		}
		if got := testutil.ToFloat64(c.metrics.throttled); got != 1 {
			t.Errorf("%v throttled calls counted", got)
		}
	})
}

// TestThrottledForLong returns after a bounded number of tries, and says how
// long to wait.
func TestThrottledForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: func(int, *http.Request) (*http.Response, error) {
			r := refusing(400, "Throttling.Api")
			r.Header.Set("x-ratelimit-user-api", "Remain:0,TimeLeft:2000")
			return r, nil
		}}
		_, err := newTest(t, s).do(t.Context(), reportCall("Get", aPack))
		if fault.Of(err) != fault.Throttled || fault.RetryAfter(err) != 2*time.Second || len(s.seen) != throttledTries {
			t.Errorf("%v, after %s, %d tries", err, fault.RetryAfter(err), len(s.seen))
		}
	})
}

func TestClockSkew(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"behind": 20 * time.Minute, "ahead": -3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stubborn := false
				s := &stub{answer: func(_ int, r *http.Request) (*http.Response, error) {
					now := time.Now().Add(skew).UTC()
					at, _ := time.Parse(stamp, r.Header.Get("X-Acs-Date"))
					res := respond(200, `{"RequestId":"R"}`)
					if stubborn || at.Sub(now).Abs() > 15*time.Minute {
						res = refusing(400, "InvalidTimeStamp.Expired")
					}
					res.Header.Set("Date", now.Format(http.TimeFormat))
					return res, nil
				}}
				c := newTest(t, s)
				for want := range 2 { // the second call knows already
					if _, err := c.do(t.Context(), reportCall("Get", aPack)); err != nil || len(s.seen) != 2+want {
						t.Fatalf("%v after %d tries", err, len(s.seen))
					}
				}
				stubborn = true
				_, err := c.do(t.Context(), reportCall("Get", aPack))
				if fault.Of(err) != fault.ClockSkew || !strings.Contains(fault.Hint(err), describe(skew)) || len(s.seen) != 5 {
					t.Errorf("%v, hint %q, %d tries", err, fault.Hint(err), len(s.seen))
				}
			})
		})
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}
		c := newTest(t, s)
		began := time.Now()
		_, err := c.do(t.Context(), reportCall("Get", aPack))
		if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "no answer within 10s") || fault.Hint(err) == "" {
			t.Errorf("got %v, hint %q", err, fault.Hint(err))
		}
		if took := time.Since(began); len(s.seen) != failedTries || took > 34*time.Second {
			t.Errorf("%d tries in %s", len(s.seen), took)
		}
		if got := testutil.ToFloat64(c.metrics.requests.WithLabelValues("GetCompliancePackReport", codeTimeout)); got != failedTries {
			t.Errorf("%v time-outs counted", got)
		}
	})
}

// TestCanceled ends a call wherever it is.
func TestCanceled(t *testing.T) {
	t.Parallel()
	cause := errors.New("shutting down")
	for name, answer := range map[string]func(int, *http.Request) (*http.Response, error){
		"in flight": func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, &url.Error{Op: "Get", URL: "https://x/?MARKED", Err: r.Context().Err()}
		},
		"in a pause":   func(int, *http.Request) (*http.Response, error) { return refusing(400, "Throttling"), nil },
		"in back-off":  func(int, *http.Request) (*http.Response, error) { return refusing(503, "ServiceUnavailable"), nil },
		"before it is": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newTest(t, &stub{answer: answer})
				ctx, cancel := context.WithCancelCause(t.Context())
				if answer == nil {
					cancel(cause)
				}
				time.AfterFunc(100*time.Millisecond, func() { cancel(cause) })
				began := time.Now()
				_, err := c.do(ctx, reportCall("Get", aPack))
				if took := time.Since(began); err == nil || took > 100*time.Millisecond {
					t.Fatalf("%v after %s", err, took)
				}
				// A failure that was met before the end is worth more than the end.
				if _, api := errors.AsType[*APIError](err); !api && (!errors.Is(err, cause) || fault.Of(err) != fault.Canceled) {
					t.Errorf("got %q: %v", fault.Of(err), err)
				}
				cleanError(t, err)
			})
		})
	}
}

func TestEndedKeepsAReason(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fault.New(fault.Overlap, "the next one is due"))
	if err := ended(ctx, "x"); fault.Of(err) != fault.Overlap {
		t.Errorf("got %q", fault.Of(err))
	}
	late, stop := context.WithTimeout(t.Context(), 0)
	defer stop()
	if err := ended(late, "x"); fault.Of(err) != fault.Deadline {
		t.Errorf("got %q", fault.Of(err))
	}
}

// TestRate holds that calls leave no faster than they may, after the burst.
func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: func(int, *http.Request) (*http.Response, error) { return respond(200, `{"RequestId":"R"}`), nil }}
		c := newTest(t, s)
		c.limit = newLimiter(2)
		began := time.Now()
		for range 12 {
			if _, err := c.do(t.Context(), reportCall("Get", aPack)); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("12 calls at 2 a second took %s, want 5s", took)
		}
	})
}

// TestSockets runs the client's own transport against a server, with
// redirects, closed connections and a refused port.
func TestSockets(t *testing.T) {
	t.Parallel()
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(server.Close)
	c := newTest(t, nil)
	c.http.Transport = newTransport(4)
	c.endpoint, _ = parseEndpoint(server.URL, false)
	_, err := c.once(t.Context(), reportCall("Get", aPack), marked)
	if e, ok := errors.AsType[*APIError](err); !ok || e.Status != 307 || slices.Contains(paths, "/elsewhere") {
		t.Errorf("got %v, asked for %v", err, paths)
	}
	server.Close()
	_, err = c.once(t.Context(), reportCall("Get", aPack), marked)
	if fault.Of(err) != fault.Unavailable || strings.Contains(err.Error(), "CompliancePackId") {
		t.Errorf("got %v", err)
	}
}
