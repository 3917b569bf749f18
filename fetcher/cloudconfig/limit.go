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

// limiter paces all calls of a source. When the API asks to slow down, no call
// starts for as long as it says, and the rate is halved; each call that is
// answered brings a little of it back.
type limiter struct {
	rate *rate.Limiter
	full rate.Limit

	mu    sync.Mutex
	until time.Time // no call starts before
}

func newLimiter(perSecond float64) *limiter {
	full := rate.Limit(perSecond)
	return &limiter{rate: rate.NewLimiter(full, max(1, int(perSecond))), full: full}
}

// wait blocks until a call may start, and reports whether ctx let it.
func (l *limiter) wait(ctx context.Context) bool {
	if !l.pass(ctx) {
		return false
	}
	slot := l.rate.Reserve()
	if !fault.Sleep(ctx, slot.Delay()) {
		slot.Cancel()
		return false
	}
	return l.pass(ctx) // a pause may have begun meanwhile
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
		l.rate.SetLimit(max(l.rate.Limit()/2, l.full/16))
	}
	if until := now.Add(min(pause, maxPause)); until.After(l.until) {
		l.until = until
	}
}

// answered lets the rate recover.
func (l *limiter) answered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.rate.Limit(); now < l.full {
		l.rate.SetLimit(min(now+l.full/32, l.full))
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
