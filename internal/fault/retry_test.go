package fault

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWait(t *testing.T) {
	t.Parallel()
	full := func() float64 { return 1 }
	none := func() float64 { return 0 }
	asked := &Error{Reason: Throttled, Err: errors.New("x"), RetryAfter: 3 * time.Minute}
	for name, c := range map[string]struct {
		b    Backoff
		try  int
		err  error
		want time.Duration
	}{
		"first":            {Backoff{Jitter: full}, 0, nil, time.Second},
		"half at least":    {Backoff{Jitter: none}, 0, nil, time.Second / 2},
		"doubles":          {Backoff{Jitter: full}, 4, nil, 16 * time.Second},
		"at most":          {Backoff{Jitter: full}, 6, nil, time.Minute},
		"far out":          {Backoff{Jitter: full}, 1 << 40, nil, time.Minute},
		"no overflow":      {Backoff{Base: time.Minute, Max: 1 << 62, Jitter: none}, 31, nil, 1 << 61},
		"large but fits":   {Backoff{Base: 1, Max: 1 << 62, Jitter: full}, 61, nil, 1 << 61},
		"own bounds":       {Backoff{Base: time.Minute, Max: 90 * time.Second, Jitter: full}, 1, nil, 90 * time.Second},
		"what it asks for": {Backoff{Jitter: full}, 0, asked, 3 * time.Minute},
	} {
		if got := c.b.Wait(c.try, c.err); got != c.want {
			t.Errorf("%s: waits %s, want %s", name, got, c.want)
		}
	}
	for try := range 100 {
		if got := (Backoff{}).Wait(try, nil); got < time.Second/2 || got > time.Minute {
			t.Errorf("try %d waits %s", try, got)
		}
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	passing, lasting := New(Unavailable, "passing"), New(Denied, "lasting")
	for name, c := range map[string]struct {
		plan  []error
		tries int
		want  error
	}{
		"at once":      {[]error{nil}, 3, nil},
		"third time":   {[]error{passing, passing, nil}, 3, nil},
		"too often":    {[]error{passing, passing, passing}, 3, passing},
		"for good":     {[]error{passing, lasting}, 5, lasting},
		"once at most": {[]error{passing}, 1, passing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := 0
				err := Retry(t.Context(), c.tries, Backoff{}, func() error { n++; return c.plan[n-1] })
				if !errors.Is(err, c.want) || n != len(c.plan) {
					t.Errorf("%v after %d tries", err, n)
				}
			})
		})
	}
}

// TestRetryEnds with ctx, and says what failed rather than that it ended.
func TestRetryEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began, last := time.Now(), New(Throttled, "slow down")
		last.RetryAfter = time.Hour
		if err := Retry(ctx, 99, Backoff{}, func() error { return last }); !errors.Is(err, last) || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		n := 0
		if err := Retry(ctx, 99, Backoff{}, func() error { n++; return last }); !errors.Is(err, last) || n != 1 {
			t.Errorf("%v after %d tries", err, n)
		}
		if Sleep(ctx, time.Second) {
			t.Error("slept beyond the end")
		}
	})
}
