package sim

import (
	"sync"
	"time"
)

// nonceLife is how long a nonce is remembered at least. Dates are accepted within
// 15 minutes either way, so a call cannot be replayed after 30.
const nonceLife = 30 * time.Minute

// nonces remembers used nonces in two generations, so that old ones are dropped
// together, without a timer.
type nonces struct {
	mu          sync.Mutex
	since       time.Time // start of the young generation
	young, aged map[string]struct{}
}

// use records the nonce, and reports whether it was new.
func (n *nonces) use(nonce string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if age := now.Sub(n.since); n.young == nil || age >= nonceLife {
		n.aged, n.young = n.young, make(map[string]struct{})
		if age >= 2*nonceLife {
			n.aged = nil
		}
		n.since = now
	}
	_, a := n.young[nonce]
	_, b := n.aged[nonce]
	n.young[nonce] = struct{}{}
	return !a && !b
}

// rate limits calls, as a token bucket that holds the calls of one second.
type rate struct {
	perSecond float64 // 0 means no limit
	mu        sync.Mutex
	credit    float64
	at        time.Time
}

// take takes one token, or returns how long to wait for it.
func (r *rate) take(now time.Time) (time.Duration, bool) {
	if r.perSecond <= 0 {
		return 0, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	full := max(1, r.perSecond)
	if r.at.IsZero() {
		r.credit = full
	} else {
		r.credit = min(full, r.credit+now.Sub(r.at).Seconds()*r.perSecond)
	}
	r.at = now
	if r.credit < 1 {
		return time.Duration((1 - r.credit) / r.perSecond * float64(time.Second)), false
	}
	r.credit--
	return 0, true
}

// quotas are the limits on the calls of each name.
type quotas struct {
	of   map[string]Quota // immutable
	mu   sync.Mutex
	used map[string]used
}

// used is what was used of a quota since the period began.
type used struct {
	since time.Time
	calls int
}

// take takes one call, or returns how long it is until the period ends.
func (q *quotas) take(action string, now time.Time) (time.Duration, bool) {
	quota, limited := q.of[action]
	if !limited {
		return 0, true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	u := q.used[action]
	if now.Sub(u.since) >= quota.Period {
		u = used{since: now}
	}
	if u.calls >= quota.Calls {
		return u.since.Add(quota.Period).Sub(now), false
	}
	u.calls++
	q.used[action] = u
	return 0, true
}
