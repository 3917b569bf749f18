package sim

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// How many reports and tokens of a pack are kept, so that memory is bounded in a
// long demo.
const (
	keptReports = 16
	keptTokens  = 64
)

// The statuses of a report.
const (
	statusNone     = "NONE"
	statusCreating = "CREATING"
	statusComplete = "COMPLETE"
)

// pack is the state of a pack: at most one report that is being generated, and the
// objects in the bucket, of which the last is the latest report.
type pack struct {
	Pack
	faults *faults
	gone   atomic.Bool // see Server.Remove

	mu      sync.Mutex
	making  bool
	ready   time.Time // when the report that is being generated is ready
	tokens  []string  // of requested reports, latest last
	reports []*report // latest last
	links   int       // number of links returned
	revoked []string  // signatures of links that are refused as expired
}

func newPack(p Pack, now time.Time) *pack {
	state := &pack{Pack: p, faults: newFaults(p.Script)}
	if p.Script.Standing > 0 {
		state.finish(now.Add(-p.Script.Standing))
	}
	return state
}

// generate starts generating a report. It returns false if one is already being
// generated for another token. A repeated token has no effect.
func (p *pack) generate(token string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(now)
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
	p.advance(now)
	return true
}

// state returns the status, and the latest report if it is complete.
func (p *pack) state(now time.Time) (string, *report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(now)
	switch {
	case p.making:
		return statusCreating, nil
	case len(p.reports) == 0:
		return statusNone, nil
	}
	return statusComplete, p.reports[len(p.reports)-1]
}

// advance completes the report if it is ready by now. The caller holds mu.
func (p *pack) advance(now time.Time) {
	if p.making && !p.Script.Never && !now.Before(p.ready) {
		p.making = false
		p.finish(p.ready)
	}
}

// finish adds a report to the bucket. Creation times are in milliseconds and
// strictly increasing.
func (p *pack) finish(at time.Time) {
	at = at.Truncate(time.Millisecond).UTC()
	if n := len(p.reports); n > 0 && !at.After(p.reports[n-1].created) {
		at = p.reports[n-1].created.Add(time.Millisecond)
	}
	r := &report{pack: p.Pack, created: at}
	p.reports = append(p.reports[max(0, len(p.reports)+1-keptReports):], r)
}

// find returns the report with that creation time, or nil.
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

// addLink counts a link with that signature, and revokes it if the script says so.
func (p *pack) addLink(signature string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links++
	if p.links <= p.Script.ExpiredLinks {
		p.revoked = append(p.revoked, signature)
	}
}

// isRevoked reports whether the link with that signature is refused as expired.
func (p *pack) isRevoked(signature string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.revoked, signature)
}

// account returns the account ID as the API does.
func (p *pack) account() int64 {
	id, _ := strconv.ParseInt(p.AccountID, 10, 64) // digits, as checked by Server.add
	return id
}
