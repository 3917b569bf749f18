package cloudconfig

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// counting is how an API counts the calls of one name: within any period, or within
// periods of which the first begins with a call.
type counting struct {
	quota
	sliding bool

	mu     sync.Mutex
	calls  []time.Time // that were permitted, in the period
	denied int
}

// call reports whether the call is permitted, and how long it is until one is.
func (c *counting) call() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case c.sliding:
		for len(c.calls) > 0 && now.Sub(c.calls[0]) >= c.period {
			c.calls = c.calls[1:]
		}
	case len(c.calls) > 0 && now.Sub(c.calls[0]) >= c.period:
		c.calls = nil
	}
	if len(c.calls) >= c.quota.calls {
		c.denied++
		return c.period - now.Sub(c.calls[0]), false
	}
	c.calls = append(c.calls, now)
	return 0, true
}

// A published quota is used in one burst, and then as fast as the API permits, without
// one call that it throttles: however it counts, and however replicas divide it.
func TestQuota(t *testing.T) {
	t.Parallel()
	for _, sliding := range []bool{false, true} {
		for _, replicas := range []int{1, 3} {
			t.Run(fmt.Sprint(sliding, replicas), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					q := quota{60, time.Minute}
					api := &counting{quota: q, sliding: sliding}
					start := time.Now()
					ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
					defer stop()
					var mu sync.Mutex
					made, early := 0, 0
					var all sync.WaitGroup
					for range replicas {
						w, source := newWindow(q, func() float64 { return 1 / float64(replicas) }), newLimiter(1000, nil)
						rng := rand.New(rand.NewPCG(1, 1))
						for range 8 {
							all.Go(func() {
								for w.wait(ctx, source) {
									mu.Lock()
									made++
									if time.Since(start) < time.Second {
										early++
									}
									pause := time.Duration(rng.IntN(50)) * time.Millisecond
									mu.Unlock()
									_, ok := api.call()
									if w.ended(ok); !ok {
										t.Errorf("throttled after %s", time.Since(start))
									}
									fault.Sleep(ctx, pause)
								}
							})
						}
					}
					all.Wait()
					if made < 540 || made > 660 || early < 59 {
						t.Errorf("%d calls in ten minutes, %d in the first second", made, early)
					}
				})
			})
		}
	}
}

// A quota that is not published, or has become smaller, is learnt within a few
// throttled calls, and nearly all of it is used.
func TestQuotaIsLearnt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ thought, real int }{
		"unknown": {0, 30}, "unknown and small": {0, 5}, "unknown and large": {0, 200}, "less than published": {60, 20},
	} {
		for _, sliding := range []bool{false, true} {
			t.Run(fmt.Sprint(name, sliding), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					api := &counting{quota: quota{c.real, time.Minute}, sliding: sliding}
					q := quota{c.thought, time.Minute}
					w, source := newWindow(q, nil), newLimiter(1000, nil)
					const minutes = 60
					ctx, stop := context.WithTimeout(t.Context(), minutes*time.Minute)
					defer stop()
					var all sync.WaitGroup
					permitted := 0
					var mu sync.Mutex
					for range 16 {
						all.Go(func() {
							for w.wait(ctx, source) {
								left, ok := api.call()
								w.ended(ok)
								mu.Lock()
								if ok {
									permitted++
								} else {
									w.throttle(time.Now(), left)
								}
								mu.Unlock()
								fault.Sleep(ctx, 20*time.Millisecond)
							}
						})
					}
					all.Wait()
					if share := float64(permitted) / float64(minutes*c.real); share < 0.9 {
						t.Errorf("%.0f %% of the quota was used", 100*share)
					}
					if api.denied > 2*minutes {
						t.Errorf("%d of %d calls were throttled", api.denied, permitted)
					}
				})
			})
		}
	}
}

// What others use of a quota is not thought to be the quota for ever.
func TestQuotaRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, source := newWindow(quota{60, time.Minute}, nil), newLimiter(1000, nil)
		for range 2 {
			w.wait(t.Context(), source)
		}
		w.ended(false)
		w.throttle(time.Now(), time.Second) // before a single one is permitted: that says nothing of the quota
		if got := w.perSecond(); got != 1 {
			t.Errorf("%g calls a second after the first was throttled, want all", got)
		}
		w.ended(true) // the other one
		w.wait(t.Context(), source)
		w.ended(false)
		w.throttle(time.Now(), time.Minute)
		if got := w.perSecond(); got != 0.5 {
			t.Errorf("%g calls a second after one throttle, want half", got)
		}
		start := time.Now()
		for time.Since(start) < time.Hour {
			w.wait(t.Context(), source)
			w.ended(true)
		}
		if got := w.perSecond(); got != 1 {
			t.Errorf("%g calls a second after an hour, want all", got)
		}
	})
}

// While Generate is throttled, Get is not held back, nor are calls of other names.
func TestThrottledCallPausesItsName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const pause = 7 * time.Second
		refuse := true
		s := &stub{answer: func(_ int, r *http.Request) (*http.Response, error) {
			if r.Header.Get("X-Acs-Action") == "GenerateCompliancePackReport" && refuse {
				refuse = false
				return respondThrottled(), nil
			}
			return respond(200, `{"RequestId":"R"}`), nil
		}}
		c := newTest(t, s)
		start := time.Now()
		var calls sync.WaitGroup
		one := func(q call, least, most time.Duration) {
			calls.Go(func() {
				if _, err := c.do(t.Context(), q); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took < least || took > most {
					t.Errorf("%s took %s", q.name, took)
				}
			})
		}
		one(generateCall(aPack.Slot(due), 0), pause, pause+time.Second)
		synctest.Wait() // it is throttled now
		for range 20 {
			one(reportCall("Get", aPack), 0, 0)
			one(reportCall("Get", evidence.PackRef{ID: "cp-1", Aggregator: "ca-1"}), 0, 0)
		}
		one(generateCall(aPack.Slot(due), 1), pause, pause+time.Second)
		calls.Wait()
		for name, want := range map[string]float64{"GenerateCompliancePackReport": 1, "GetCompliancePackReport": 0} {
			if got := testutil.ToFloat64(c.metrics.throttled.WithLabelValues(name)); got != want {
				t.Errorf("%v throttled %s were counted", got, name)
			}
		}
		if got := testutil.ToFloat64(c.metrics.limited.WithLabelValues("GenerateCompliancePackReport")); got < 13 || got > 15 {
			t.Errorf("Generate was held back for %v s", got)
		}
		if got := testutil.ToFloat64(c.metrics.limit.WithLabelValues("GetCompliancePackReport")); got != 100 {
			t.Errorf("the limit of Get is %v", got)
		}
		if got := testutil.ToFloat64(c.metrics.limit.WithLabelValues("GenerateCompliancePackReport")); got > 1 {
			t.Errorf("the limit of Generate is %v", got)
		}
	})
}

// respondThrottled refuses a call because there are too many of its name.
func respondThrottled() *http.Response {
	r := refusing(400, "Throttling.Api")
	r.Header.Set("X-Ratelimit-User-Api", "Limit:10,Remain:0,TimeLeft:7000,Reset:1")
	return r
}

// A configured limit replaces what is published.
func TestCallsPerMinute(t *testing.T) {
	t.Parallel()
	l := newLimits(1000, map[string]int{"GenerateConfigRulesReport": 120}, nil)
	for name, want := range map[string]float64{"GenerateConfigRulesReport": 2, "GetAggregateConfigRulesReport": 5, "GetCompliancePackReport": 1000} {
		if got := l.perSecond(name); got != want {
			t.Errorf("%s: %g a second, want %g", name, got, want)
		}
	}
	for name := range quotas() {
		found := false
		for _, known := range callNames() {
			found = found || known == name
		}
		if !found {
			t.Errorf("there is a quota for %s, which is no call", name)
		}
	}
}

// Whether a call that failed may have taken effect.
func TestUncertain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func() (*http.Response, error)
		want   bool
	}{
		"no connection":      {func() (*http.Response, error) { return nil, &net.OpError{Op: "dial", Err: errors.New("refused")} }, false},
		"connection is gone": {func() (*http.Response, error) { return nil, &net.OpError{Op: "read", Err: errors.New("reset")} }, true},
		"garbage":            {func() (*http.Response, error) { return respond(200, "<html>"), nil }, true},
		"endless":            {func() (*http.Response, error) { return respond(200, strings.Repeat(" ", maxResponse+1)), nil }, true},
		"proxy":              {func() (*http.Response, error) { return respond(502, "<html>"), nil }, true},
		"proxy is throttled": {func() (*http.Response, error) { return respond(429, "<html>"), nil }, false},
		"error of the API":   {func() (*http.Response, error) { return refusing(500, "InternalError"), nil }, true},
		"throttled":          {func() (*http.Response, error) { return refusing(400, "Throttling.User"), nil }, false},
		"denied":             {func() (*http.Response, error) { return refusing(403, "NoPermission"), nil }, false},
		"nonce":              {func() (*http.Response, error) { return refusing(400, "SignatureNonceUsed"), nil }, false},
	} {
		s := &stub{answer: func(int, *http.Request) (*http.Response, error) { return c.answer() }}
		_, err := newTest(t, s).try(t.Context(), generateCall(evidence.PackRef{ID: "crt-1"}.Slot(due), 0), marked)
		if got := uncertain(err); got != c.want {
			t.Errorf("%s: %t, want %t: %v", name, got, c.want, err)
		}
		cleanError(t, err)
	}
}

// TestLimitsOutliveReopening: a client that is opened anew goes on with what the one
// before has learnt and counted, unless it is of another API or the limit was changed.
func TestLimitsOutliveReopening(t *testing.T) {
	t.Parallel()
	const name = "GenerateCompliancePackReport"
	synctest.Test(t, func(t *testing.T) {
		open := func(o Options, old fetcher.Source) *Client {
			t.Helper()
			c, err := New(o, fetcher.Env{Logger: slog.New(slog.DiscardHandler), Old: old}, &stub{})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		o := Options{Endpoint: "https://config.example", RequestsPerSecond: 100, CallsPerMinute: map[string]int{"ListAggregators": 2}}
		first := open(o, nil)
		for range 2 {
			first.limits.wait(t.Context(), "ListAggregators")
		}
		first.limits.throttle(name, 10*time.Second, false)
		first.limits.throttle("", 5*time.Second, true)
		learnt := first.limits.perSecond(name)
		waits := func(c *Client, call string) time.Duration {
			began := time.Now()
			c.limits.wait(t.Context(), call)
			return time.Since(began).Round(time.Second)
		}
		o.RequestTimeout = time.Minute
		again := open(o, first)
		if got := again.limits.perSecond(name); got != learnt || got >= first.limits.all.perSecond() {
			t.Errorf("%g a second, %g was learnt", got, learnt)
		}
		changed, elsewhere := o, o
		changed.RequestsPerSecond, changed.CallsPerMinute = 50, map[string]int{"ListAggregators": 3, name: 60}
		elsewhere.Endpoint = "https://config.elsewhere.example"
		if got := waits(open(elsewhere, again), "ListAggregators") + waits(open(elsewhere, again), name); got != 0 {
			t.Errorf("another API is paused for %s", got)
		}
		other := open(changed, again)
		if got := waits(other, "ListAggregators"); got != 5*time.Second {
			t.Errorf("with other limits, all are paused for %s", got)
		}
		if got := waits(other, name); got != 0 {
			t.Errorf("a limit that was changed holds up a call for %s", got)
		}
		if got := waits(again, name); got != 5*time.Second {
			t.Errorf("the call is paused for another %s", got)
		}
		if got := waits(again, "ListAggregators"); got != 50*time.Second {
			t.Errorf("calls of the minute do not count: the next one waits %s", got)
		}
	})
}
