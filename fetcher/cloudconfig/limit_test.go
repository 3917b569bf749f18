package cloudconfig

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/internal/fault"
)

func TestTimeLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api, user string
		want      time.Duration
		all       bool
	}{
		{"", "", 0, false},
		{"Limit:10,Remain:0,TimeLeft:1500,Reset:1", "", 1500 * time.Millisecond, false},
		{"", "TimeLeft:3000", 3 * time.Second, true},
		{" limit:1, timeleft: 20 ,x", "", 20 * time.Millisecond, false},
		{"Remain:0,TimeLeft:100", "Remain:0,TimeLeft:900", 900 * time.Millisecond, true},
		{"Remain:0,TimeLeft:100", "Remain:7,TimeLeft:90000", 100 * time.Millisecond, false},
		{"TimeLeft:9223372036854775807", "", maxPause, false},
		{"TimeLeft:-5", "TimeLeft:soon", 0, false},
		{"TimeLeft:99999999999999999999", "TimeLeft", 0, false},
	} {
		h := http.Header{}
		h.Set("x-ratelimit-user-api", c.api)
		h.Set("x-ratelimit-user", c.user)
		if got, all := timeLeft(h); got != c.want || all != c.all {
			t.Errorf("%q, %q: %s, %t, want %s, %t", c.api, c.user, got, all, c.want, c.all)
		}
	}
}

func TestSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(16, nil)
		for range 10 { // calls that are throttled together
			l.throttle(time.Second)
		}
		if got := l.rate.Limit(); got != 8 {
			t.Errorf("the rate is %v, want half", got)
		}
		for range 10 {
			time.Sleep(time.Minute)
			l.throttle(time.Hour) // limited to maxPause
			time.Sleep(maxPause)
		}
		if got := l.rate.Limit(); got != 1 {
			t.Errorf("the rate is %v, want a sixteenth", got)
		}
		if start := time.Now(); !l.wait(t.Context()) || time.Since(start) > time.Second {
			t.Errorf("waited %s after the pause", time.Since(start))
		}
	})
}

// A pause can be extended while calls wait.
func TestPauseIsExtended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, nil)
		l.throttle(time.Second)
		time.AfterFunc(500*time.Millisecond, func() { l.throttle(10 * time.Second) })
		start := time.Now()
		if !l.wait(t.Context()) || time.Since(start) < 10500*time.Millisecond {
			t.Errorf("waited %s", time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for range 2 {
			if l.wait(ctx) {
				t.Error("a call starts after its end")
			}
		}
	})
}

func BenchmarkWait(b *testing.B) {
	l := newLimits(1e12, nil, nil)
	for b.Loop() {
		l.wait(b.Context(), "GetCompliancePackReport")
	}
}

// No call of the source starts until the TimeLeft of a throttled call has passed, if
// that is about all calls of the user.
func TestThrottledCallPausesAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const pause = 7 * time.Second
		s := &stub{answer: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 0 {
				r := refusing(400, "Throttling.User")
				r.Header.Set("X-Ratelimit-User", "Limit:10,Remain:0,TimeLeft:7000,Reset:1")
				return r, nil
			}
			return respond(200, `{"RequestId":"R"}`), nil
		}}
		c := newTest(t, s)
		start := time.Now()
		var calls sync.WaitGroup
		one := func() {
			if _, err := c.do(t.Context(), reportCall("Get", aPack)); err != nil {
				t.Error(err)
			}
		}
		calls.Go(one)
		synctest.Wait() // it is throttled now
		if got := c.limits.all.rate.Limit(); got != c.limits.all.full/2 {
			t.Errorf("the rate is %v after a throttle", got)
		}
		for range 19 {
			calls.Go(one)
		}
		calls.Wait()
		for i, r := range s.seen[1:] {
			if waited := r.at.Sub(start); waited < pause {
				t.Errorf("call %d started after %s", i+1, waited)
			}
		}
		if got := time.Since(start); len(s.seen) != 21 || got > pause+2*time.Second {
			t.Errorf("%d calls in %s", len(s.seen), got)
		}
		if got := c.limits.all.rate.Limit(); got != c.limits.all.full {
			t.Errorf("the rate has not recovered: %v", got)
		}
		if got := testutil.ToFloat64(c.metrics.throttled.WithLabelValues("GetCompliancePackReport")); got != 1 {
			t.Errorf("%v throttled calls counted", got)
		}
	})
}

// A call that stays throttled fails after a limited number of tries, with the time
// to wait.
func TestThrottleTries(t *testing.T) {
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

// Calls keep to the rate after the burst.
func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: func(int, *http.Request) (*http.Response, error) { return respond(200, `{"RequestId":"R"}`), nil }}
		c := newTest(t, s)
		c.limits = newLimits(2, nil, nil)
		start := time.Now()
		for range 12 {
			if _, err := c.do(t.Context(), reportCall("Get", aPack)); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("12 calls at 2 a second took %s, want 5s", took)
		}
	})
}

// Three processes that share a rate use all of it and keep to it together, except
// for bursts, while their shares change.
func TestShares(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const perSecond, hour = 12, time.Hour
		shares := []float64{0.9, 0.05, 0.05}
		var mu sync.Mutex
		var starts []time.Duration
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), hour)
		defer cancel()
		var all sync.WaitGroup
		for i := range shares {
			l := newLimiter(perSecond, func() float64 {
				mu.Lock()
				defer mu.Unlock()
				return shares[i]
			})
			for range 20 { // many wait at once
				all.Go(func() {
					for l.wait(ctx) {
						mu.Lock()
						starts = append(starts, time.Since(start))
						mu.Unlock()
					}
				})
			}
		}
		rng := rand.New(rand.NewPCG(1, 1))
		for moves := 0; ctx.Err() == nil; moves++ {
			fault.Sleep(ctx, time.Duration(10+rng.IntN(40))*time.Second)
			mu.Lock()
			to, of := rng.IntN(3), rng.IntN(3) // one has most of it, or each a third
			for i := range shares {
				switch {
				case of != 0:
					shares[i] = 1. / 3
				case i == to:
					shares[i] = 0.9
				default:
					shares[i] = 0.05
				}
			}
			mu.Unlock()
		}
		all.Wait()
		within := func(window time.Duration) (most int) {
			first := 0
			for last := range starts {
				for starts[last]-starts[first] >= window {
					first++
				}
				most = max(most, last-first+1)
			}
			return most
		}
		// A burst is the calls of one second. Shares change once in ten seconds,
		// so there may be bursts before and after.
		if n := within(10 * time.Second); n > 10*perSecond+2*perSecond {
			t.Errorf("%d calls in ten seconds", n)
		}
		if n := float64(len(starts)); n < 0.9*perSecond*hour.Seconds() || n > 1.02*perSecond*hour.Seconds() {
			t.Errorf("%v calls in an hour", n)
		}
	})
}

// A share slows calls down, and slows them further when the API throttles.
func TestSmallShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		l := newLimiter(5, func() float64 { return 0.1 })
		for _, want := range []time.Duration{0, 2 * time.Second} {
			if !l.wait(t.Context()) || time.Since(start) != want {
				t.Errorf("a call starts after %s, want %s", time.Since(start), want)
			}
		}
		l.throttle(0)
		if got := l.rate.Limit(); got != 0.25 {
			t.Errorf("slowed down, the rate is %v", got)
		}
	})
}
