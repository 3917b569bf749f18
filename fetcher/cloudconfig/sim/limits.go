package sim

import (
	"sync"
	"time"
)

// nonceLife is how long a nonce is remembered at least: a date may be fifteen
// minutes off either way, so after thirty its call can't come again.
const nonceLife = 30 * time.Minute

// nonces remembers the nonces used, in two generations, so that forgetting
// the old ones needs no clock of its own and costs nothing.
type nonces struct {
	mu          sync.Mutex
	since       time.Time // when the young generation began
	young, aged map[string]struct{}
}

// use takes the nonce, and reports whether it was new.
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

// rate is the user's share of calls: a bucket that holds a second's worth.
type rate struct {
	perSecond float64 // 0 = no limit
	mu        sync.Mutex
	credit    float64
	at        time.Time
}

// take spends one call, or says how long to wait until there is one.
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
