package fault

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff determines how long to wait between tries: exponentially longer,
// with jitter. The zero value waits from one second up to one minute.
type Backoff struct {
	Base time.Duration // the first wait; default 1s
	Max  time.Duration // the longest wait; default 1m

	// Jitter returns a number in [0, 1); default rand.Float64.
	Jitter func() float64
}

// Wait returns how long to wait after a try that failed with err; the first
// try is number 0. The wait doubles with each try up to Max, Jitter then picks
// between half and all of it, and it is never less than RetryAfter(err).
func (b Backoff) Wait(try int, err error) time.Duration {
	base, longest, jitter := b.Base, b.Max, b.Jitter
	if base <= 0 {
		base = time.Second
	}
	if longest <= 0 {
		longest = time.Minute
	}
	if jitter == nil {
		jitter = rand.Float64
	}
	d := longest
	if try < 63 && base < longest>>try { // base<<try could overflow
		d = base << try
	}
	d = d/2 + time.Duration(jitter()*float64(d/2))
	return max(d, RetryAfter(err))
}

// Retry calls f until it succeeds, fails with an error that is not transient,
// has been called tries times, or ctx ends. It returns f's last error even if
// ctx ended, so that the cause of the failure is not lost.
func Retry(ctx context.Context, tries int, b Backoff, f func() error) error {
	for try := 0; ; try++ {
		err := f()
		if err == nil || !Transient(err) || try+1 >= tries || ctx.Err() != nil {
			return err
		}
		if !Sleep(ctx, b.Wait(try, err)) {
			return err
		}
	}
}

// Sleep waits for d. It reports false if ctx ended first.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Outlive returns a context that ends a while after ctx does, for what is to be
// finished before a stop. The caller calls the function when that is done.
func Outlive(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(while, cancel) })
	return longer, func() { stop(); cancel() }
}
