package cloudconfig

import (
	"context"
	"math"
	"sync"
	"time"

	"packseal.example/internal/fault"
)

// quota is how many calls of one name the API permits within a period. Alibaba
// Cloud counts them by region, name and main account, whoever makes them.
type quota struct {
	calls  int
	period time.Duration
}

// quotas are the published ones (document_detail/2932320 and 2936822 of
// help.aliyun.com). Those of the calls about compliance packs and report templates
// are not: they are learnt.
func quotas() map[string]quota {
	return map[string]quota{
		"GenerateConfigRulesReport":     {60, time.Minute},
		"GetAggregateConfigRulesReport": {300, time.Minute},
		"GetResourceInventory":          {100, time.Second},
		"GetAggregateCompliancePack":    {60, time.Minute},
		"ListAggregators":               {120, time.Minute},
	}
}

// What is thought of a quota that is not published, once a call was throttled: the
// least that others are. Before, only the limit of the source applies.
const guess = 60

// maxStarts bounds how many calls a window remembers, and so the largest limit that
// is kept.
const maxStarts = 8192

// window limits the calls of one name the way the API counts them: so many within
// any period, however close together. When the API throttles one, those of the
// others are not slowed; no further one starts for as long as it demands, and what
// it had permitted within the period is the limit from then on. While that is
// reached and nothing is throttled, it is raised a little after each period, up to
// the quota if that is known. With replicas, each of them has a share of the limit.
type window struct {
	quota    // 0 calls: unknown
	getShare func() float64
	next     chan struct{} // holds a token of the call that is next

	mu      sync.Mutex
	limit   float64   // calls in a period, of all replicas; +Inf if there is none
	share   float64   // the last result of getShare
	starts  []int64   // of the latest calls, a ring of maxStarts, in Unix nanoseconds
	made    int       // how many calls were started that the API may count
	pending int       // of these, how many have no answer yet
	until   time.Time // no call starts before
	lowest  float64   // how far the throttles of one pause may lower the limit
	reached bool      // the limit has held up a call since changed
	changed time.Time // when the limit was
}

func newWindow(q quota, getShare func() float64) *window {
	w := &window{quota: q, getShare: getShare, next: make(chan struct{}, 1), limit: math.Inf(1), share: 1}
	if q.calls > 0 {
		w.limit = float64(q.calls)
	} else {
		w.period = time.Minute
	}
	return w
}

// wait blocks until a call may start, by the window and then by all, which is the
// limit of the source. It returns false if ctx ends first.
func (w *window) wait(ctx context.Context, all *limiter) bool {
	select {
	case <-ctx.Done():
		return false
	case w.next <- struct{}{}:
		defer func() { <-w.next }()
	}
	for {
		left := w.left(time.Now())
		if left <= 0 {
			break
		}
		if !fault.Sleep(ctx, left) {
			return false
		}
	}
	if !all.wait(ctx) {
		return false
	}
	w.started(time.Now())
	return true
}

// left returns how long the next call has to wait, which may change meanwhile.
func (w *window) left(now time.Time) time.Duration {
	share := 1.
	if w.getShare != nil {
		share = w.getShare()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.share = share
	w.raise(now)
	left := w.until.Sub(now)
	n, period := w.ours()
	if n > min(w.made, maxStarts) {
		return left
	}
	full := period - now.Sub(w.start(n))
	w.reached = w.reached || full > 0
	return max(left, full)
}

// start returns when the n-th last call was started.
func (w *window) start(n int) time.Time { return time.Unix(0, w.starts[(w.made-n)%maxStarts]) }

// ours returns how many calls within what time are this process's share of the
// limit.
func (w *window) ours() (int, time.Duration) {
	n := w.limit * w.share
	switch {
	case n > maxStarts:
		return math.MaxInt, w.period
	case n < 1:
		return 1, time.Duration(float64(w.period) / n)
	}
	return int(n), w.period
}

// raise raises the limit if it was reached, and the last change is a period ago.
func (w *window) raise(now time.Time) {
	if !w.reached || now.Sub(w.changed) < w.period {
		return
	}
	w.limit += max(1, w.limit/8)
	if w.calls > 0 {
		w.limit = min(w.limit, float64(w.calls))
	}
	w.changed, w.reached = now, false
}

// started records a call.
func (w *window) started(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := w.made % maxStarts; i == len(w.starts) {
		w.starts = append(w.starts, now.UnixNano())
	} else {
		w.starts[i] = now.UnixNano()
	}
	w.made++
	w.pending++
}

// ended records that a call has ended, and whether the API counts it.
func (w *window) ended(counted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending--; !counted {
		w.made = max(0, w.made-1)
	}
}

// throttle learns from a call that was throttled and has ended: those that were
// permitted before are what the API permits, unless others make such calls too, so that
// throttles of one pause do not lower the limit by more than half. It starts or extends
// a pause. That none was permitted says nothing of the limit: the pause is for that.
func (w *window) throttle(now time.Time, pause time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for n < min(w.made, maxStarts-1) && now.Sub(w.start(n+1)) < w.period {
		n++
	}
	n -= w.pending
	permitted := float64(n) / w.share
	if now.After(w.until) {
		w.lowest = max(1, w.limit/2)
		if math.IsInf(w.limit, 1) {
			w.limit, w.lowest = max(permitted, guess), max(1, guess/16)
		}
	}
	if n > 0 {
		w.limit = min(w.limit, max(permitted, w.lowest))
	}
	w.changed, w.reached = now, false
	if until := now.Add(min(pause, maxPause)); until.After(w.until) {
		w.until = until
	}
}

// perSecond returns the share of this process in the limit as a rate.
func (w *window) perSecond() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.limit * w.share / w.period.Seconds()
}

// limits are the limits of a source: on all calls together, and on those of each
// name.
type limits struct {
	all      *limiter
	getShare func() float64
	quotas   map[string]quota

	mu    sync.Mutex
	calls map[string]*window
}

// newLimits returns the limits of a source; perMinute replaces published and learnt
// quotas.
func newLimits(perSecond float64, perMinute map[string]int, getShare func() float64) *limits {
	l := &limits{all: newLimiter(perSecond, getShare), getShare: getShare, quotas: quotas(), calls: make(map[string]*window)}
	for name, n := range perMinute {
		l.quotas[name] = quota{n, time.Minute}
	}
	return l
}

// takeOver goes on with those limits of another client of the same API that are as
// they were: with what was learnt, and the calls that count.
func (l *limits) takeOver(old *limits) {
	old.mu.Lock()
	defer old.mu.Unlock()
	l.all = l.all.after(old.all)
	for name, w := range old.calls {
		if l.quotas[name] == old.quotas[name] {
			l.calls[name] = w
		}
	}
}

// of returns the window of the calls of that name.
func (l *limits) of(name string) *window {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.calls[name]
	if w == nil {
		w = newWindow(l.quotas[name], l.getShare)
		l.calls[name] = w
	}
	return w
}

// wait blocks until a call of that name may start. It returns false if ctx ends
// first.
func (l *limits) wait(ctx context.Context, name string) bool { return l.of(name).wait(ctx, l.all) }

// throttle slows the calls of that name, or all.
func (l *limits) throttle(name string, pause time.Duration, all bool) {
	if all {
		l.all.throttle(pause)
		return
	}
	l.of(name).throttle(time.Now(), pause)
}

// perSecond returns how many calls of that name this process may start at present,
// in the long run.
func (l *limits) perSecond(name string) float64 {
	return min(l.of(name).perSecond(), l.all.perSecond())
}
