package sim

import (
	"slices"
	"sync"
	"time"
)

// What a pack remembers: enough for any test, and bounded when a demo runs
// for days.
const (
	keptReports = 16
	keptTokens  = 64
)

// The words for a report's state.
const (
	statusNone     = "NONE"
	statusCreating = "CREATING"
	statusComplete = "COMPLETE"
)

// pack is a pack's state: one slot for a report in the making, and the
// objects in the bucket, of which only the last is the pack's report.
type pack struct {
	Pack
	faults *faults

	mu      sync.Mutex
	making  bool
	ready   time.Time // when the report in the making will be complete
	tokens  []string  // of the reports asked for, the latest last
	reports []*report // the latest last
	links   int       // handed out so far
	revoked []string  // signatures of links that are refused as expired
}

func newPack(p Pack, now time.Time) *pack {
	state := &pack{Pack: p, faults: newFaults(p.Script)}
	if p.Script.Standing > 0 {
		state.finish(now.Add(-p.Script.Standing))
	}
	return state
}

// generate begins a report, and reports whether the call succeeds: it does
// not while a report is in the making under another token. A token that was
// used before begins nothing.
func (p *pack) generate(token string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle(now)
	if token != "" && slices.Contains(p.tokens, token) {
		return true
	}
	if p.making {
		return false
	}
	p.making, p.ready = true, now.Add(p.Script.Make)
	if token != "" {
		p.tokens = append(p.tokens[max(0, len(p.tokens)+1-keptTokens):], token)
	}
	p.settle(now)
	return true
}

// state returns the status word, and the report when there is one to fetch.
func (p *pack) state(now time.Time) (string, *report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle(now)
	switch {
	case p.making:
		return statusCreating, nil
	case len(p.reports) == 0:
		return statusNone, nil
	}
	return statusComplete, p.reports[len(p.reports)-1]
}

// settle lets the time that went by take effect. The caller holds mu.
func (p *pack) settle(now time.Time) {
	if p.making && !p.Script.Never && !now.Before(p.ready) {
		p.making = false
		p.finish(p.ready)
	}
}

// finish puts a report into the bucket. Creation times are whole milliseconds
// and strictly increase, however fast reports follow one another.
func (p *pack) finish(at time.Time) {
	at = at.Truncate(time.Millisecond).UTC()
	if n := len(p.reports); n > 0 && !at.After(p.reports[n-1].created) {
		at = p.reports[n-1].created.Add(time.Millisecond)
	}
	r := &report{pack: p.Pack, created: at}
	p.reports = append(p.reports[max(0, len(p.reports)+1-keptReports):], r)
}

// find returns the report made at that time, or nil.
func (p *pack) find(createdMs int64) *report {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.reports {
		if r.created.UnixMilli() == createdMs {
			return r
		}
	}
	return nil
}

// handOut counts a link with the signature, one of the first of which may be
// refused later on.
func (p *pack) handOut(signature string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links++
	if p.links <= p.Script.ExpiredLinks {
		p.revoked = append(p.revoked, signature)
	}
}

// isRevoked reports whether the link with the signature is to be refused.
func (p *pack) isRevoked(signature string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.revoked, signature)
}
