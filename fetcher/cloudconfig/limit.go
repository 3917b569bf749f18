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

// maxPause is the longest pause that a throttle header can cause.
const maxPause = 5 * time.Minute

// limiter limits the rate of all calls of a source. When the API says that there
// are too many of all together, no call starts for as long as it demands, and the
// rate is halved; each call that succeeds raises it again a little. With replicas,
// each of them has a share of the rate.
type limiter struct {
	rate     *rate.Limiter
	full     rate.Limit
	getShare func() float64
	next     chan struct{} // holds a token of the call that is next

	mu      sync.Mutex
	current rate.Limit // full, reduced by throttling
	share   rate.Limit // the last result of getShare
	until   time.Time  // no call starts before
}

// newLimiter returns a limiter. A nil getShare means all of the rate.
func newLimiter(perSecond float64, getShare func() float64) *limiter {
	full := rate.Limit(perSecond)
	return &limiter{
		rate: rate.NewLimiter(full, burst(full)), full: full, getShare: getShare,
		next: make(chan struct{}, 1), current: full, share: 1,
	}
}

// after returns the limiter that takes the place of another one: that one, if its limit
// is the same; else l, with the pause of the other.
func (l *limiter) after(old *limiter) *limiter {
	if l.full == old.full {
		return old
	}
	old.mu.Lock()
	defer old.mu.Unlock()
	l.until = old.until
	return l
}

// burst returns how many calls may start at once after an idle time: those of one
// second.
func burst(perSecond rate.Limit) int { return max(1, int(perSecond)) }

// wait blocks until a call may start. It returns false if ctx ends first. Only one
// waiting call at a time reserves its start, so that the others follow the rate
// when it changes.
func (l *limiter) wait(ctx context.Context) bool {
	if !l.waitPause(ctx) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case l.next <- struct{}{}:
		defer func() { <-l.next }()
	}
	l.updateShare()
	r := l.rate.Reserve()
	if !fault.Sleep(ctx, r.Delay()) {
		r.Cancel()
		return false
	}
	return l.waitPause(ctx) // one may have started meanwhile
}

// updateShare applies the current share.
func (l *limiter) updateShare() {
	if l.getShare == nil {
		return
	}
	share := rate.Limit(l.getShare())
	l.mu.Lock()
	defer l.mu.Unlock()
	if share != l.share {
		l.share = share
		l.rate.SetBurst(burst(l.full * share))
		l.rate.SetLimit(l.current * share)
	}
}

// waitPause waits until the pause is over, even if it is extended. It returns
// false if ctx ends first.
func (l *limiter) waitPause(ctx context.Context) bool {
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

// throttle starts or extends a pause. Calls that are throttled together halve the
// rate only once.
func (l *limiter) throttle(pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.After(l.until) {
		l.current = max(l.current/2, l.full/16)
		l.rate.SetLimit(l.current * l.share)
	}
	if until := now.Add(min(pause, maxPause)); until.After(l.until) {
		l.until = until
	}
}

// perSecond returns this process's share of the rate.
func (l *limiter) perSecond() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return float64(l.current * l.share)
}

// succeeded lets the rate recover.
func (l *limiter) succeeded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current < l.full {
		l.current = min(l.current+l.full/32, l.full)
		l.rate.SetLimit(l.current * l.share)
	}
}

// timeLeft returns the wait that the throttle headers demand, or 0, and whether it
// is for calls of all names.
func timeLeft(h http.Header) (wait time.Duration, all bool) {
	call, user := throttleHeader(h.Get("X-Ratelimit-User-Api")), throttleHeader(h.Get("X-Ratelimit-User"))
	return max(call, user), user > 0
}

// throttleHeader returns the wait that a header demands, or 0. One whose Remain is
// not 0 is about a limit that was not exceeded.
func throttleHeader(header string) time.Duration {
	values := map[string]int64{}
	for part := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(part, ":")
		if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil && n > 0 {
			values[strings.ToLower(strings.TrimSpace(key))] = n
		}
	}
	if values["remain"] > 0 {
		return 0
	}
	return time.Duration(min(values["timeleft"], maxPause.Milliseconds())) * time.Millisecond
}
