package cloudconfig

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"packseal.example/internal/fault"
)

// maxPause bounds what a throttle header can make the source wait.
const maxPause = 5 * time.Minute

// noShare is between two looks whether some of the rate is ours again.
const noShare = 100 * time.Millisecond

// limiter paces all calls of a source. When the API asks to slow down, no call
// starts for as long as it says, and the rate is halved; each call that is
// answered brings a little of it back. All of that is this process's share of
// the rate only.
type limiter struct {
	rate  *rate.Limiter
	full  rate.Limit
	share func() float64
	turn  chan struct{} // has a token of the call that is next

	mu    sync.Mutex
	bears rate.Limit // what the API bears of full
	part  rate.Limit // the share as it was last
	until time.Time  // no call starts before
}

// newLimiter makes a limiter; a nil share is all of the rate.
func newLimiter(perSecond float64, share func() float64) *limiter {
	full := rate.Limit(perSecond)
	return &limiter{
		rate: rate.NewLimiter(full, burst(full)), full: full, share: share,
		turn: make(chan struct{}, 1), bears: full, part: 1,
	}
}

// burst is how many calls may start at once after a rest: those of a second.
func burst(perSecond rate.Limit) int { return max(1, int(perSecond)) }

// wait blocks until a call may start, and reports whether ctx let it. Of calls
// that wait only the next one has its time by the rate as it is now, so that
// none keeps to a rate of long ago.
func (l *limiter) wait(ctx context.Context) bool {
	if !l.pass(ctx) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	}
	for !l.apportion() {
		if !fault.Sleep(ctx, noShare) {
			return false
		}
	}
	slot := l.rate.Reserve()
	if !fault.Sleep(ctx, slot.Delay()) {
		slot.Cancel()
		return false
	}
	return l.pass(ctx) // a pause may have begun meanwhile
}

// apportion takes up the share, and reports whether there is any.
func (l *limiter) apportion() bool {
	if l.share == nil {
		return true
	}
	part := rate.Limit(l.share())
	l.mu.Lock()
	defer l.mu.Unlock()
	if part > 0 && part != l.part {
		l.part = part
		l.rate.SetBurst(burst(l.full * part))
		l.rate.SetLimit(l.bears * part)
	}
	return part > 0
}

// pass waits out the pause, also one that gets longer.
func (l *limiter) pass(ctx context.Context) bool {
	for {
		l.mu.Lock()
		left := time.Until(l.until)
		l.mu.Unlock()
		if left <= 0 {
			return ctx.Err() == nil
		}
		if !fault.Sleep(ctx, left) {
			return false
		}
	}
}

// slow begins a pause. Calls that were under way together count as one reason
// to halve the rate.
func (l *limiter) slow(pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.After(l.until) {
		l.bears = max(l.bears/2, l.full/16)
		l.rate.SetLimit(l.bears * l.part)
	}
	if until := now.Add(min(pause, maxPause)); until.After(l.until) {
		l.until = until
	}
}

// answered lets the rate recover.
func (l *limiter) answered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bears < l.full {
		l.bears = min(l.bears+l.full/32, l.full)
		l.rate.SetLimit(l.bears * l.part)
	}
}

// timeLeft returns how long the throttle headers ask to wait, or 0. A header
// whose Remain is not 0 is about a limit that is not the reason.
func timeLeft(h http.Header) (longest time.Duration) {
	for _, name := range []string{"X-Ratelimit-User-Api", "X-Ratelimit-User"} {
		said := map[string]int64{}
		for part := range strings.SplitSeq(h.Get(name), ",") {
			key, value, _ := strings.Cut(part, ":")
			if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil && n > 0 {
				said[strings.ToLower(strings.TrimSpace(key))] = n
			}
		}
		if said["remain"] == 0 {
			left := min(said["timeleft"], maxPause.Milliseconds())
			longest = max(longest, time.Duration(left)*time.Millisecond)
		}
	}
	return longest
}
