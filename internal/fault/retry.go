package fault

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait between tries. The zero value waits from one
// second up to one minute.
type Backoff struct {
	Base time.Duration // the first wait; default 1s
	Max  time.Duration // the longest wait; default 1m

	// Jitter returns a number in [0, 1). Default: a random one.
	Jitter func() float64
}

// Wait returns how long to wait after the try numbered from 0: doubling, at
// most Max, then between half and the whole of that by Jitter, and never less
// than what err asks for.
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

// Retry calls f until it succeeds, fails for good, has been called tries
// times, or ctx ends. It returns f's last error, so that the reason for the
// failure is not lost to the context's.
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

// Sleep waits for d and reports whether it passed before ctx ended.
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
