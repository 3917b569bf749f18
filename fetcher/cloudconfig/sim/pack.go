package sim

import (
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
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

// The IDs of what is no compliance pack. Those of templates begin with "crt-".
const (
	allRules  = "rules"
	inventory = "inventory"
)

func (p Pack) template() bool { return strings.HasPrefix(p.ID, "crt-") }

// takesTokens reports whether requests have a ClientToken.
func (p Pack) takesTokens() bool { return p.ID != inventory && !p.template() }

// compliance reports whether it is a compliance pack.
func (p Pack) compliance() bool { return p.ID != allRules && p.takesTokens() }

// The statuses of a report.
const (
	statusNone     = "NONE"
	statusCreating = "CREATING"
	statusComplete = "COMPLETE"
)

// pack is the state of a pack: at most one report that is being generated, and the
// reports that are done, of which the last is the latest.
type pack struct {
	Pack
	faults *faults
	gone   atomic.Bool // see Server.Remove

	mu      sync.Mutex
	began   time.Time   // when the latest was requested
	making  *report     // nil if none
	ready   time.Time   // when it is
	ended   int         // how many reports were done, one way or another
	made    int         // how many were requested by calls
	tokens  []*report   // those that were requested with a token, latest last
	reports []*report   // done, latest last
	asked   []time.Time // when evaluations were requested
	links   int         // number of links returned
	revoked []string    // signatures of links that are refused as expired
}

func newPack(p Pack, now time.Time) *pack {
	state := &pack{Pack: p, faults: newFaults(p.Script)}
	if p.Script.Standing > 0 {
		at := now.Add(-p.Script.Standing)
		state.finish(state.newReport("", at), at, statusComplete)
	}
	return state
}

// newReport returns a report that begins now; later than all before, in milliseconds.
func (p *pack) newReport(token string, now time.Time) *report {
	r := &report{pack: p.Pack, token: token, began: now.Truncate(time.Millisecond).UTC()}
	if !r.began.After(p.began) {
		r.began = p.began.Add(time.Millisecond)
	}
	p.began = r.began
	switch {
	case p.ID == allRules:
		r.id = "crp-" + strings.ToLower(rand.Text()[:20])
	case p.template():
		r.id = "crtr-" + strings.ToLower(rand.Text()[:20])
	}
	return r
}

// generate starts generating a report for a call, and returns it. It returns nil if
// one is already being generated for another token. A repeated token has no effect.
// What takes no tokens is made each time: the API documents no refusal, and of two
// the last one is the latest.
func (p *pack) generate(token string, now time.Time) *report {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(now)
	if token != "" && !p.Script.NoReplay {
		if i := slices.IndexFunc(p.tokens, func(r *report) bool { return r.token == token }); i >= 0 {
			return p.tokens[i]
		}
	}
	if p.making != nil && p.takesTokens() {
		return nil
	}
	r := p.newReport(token, now)
	p.making, p.ready = r, now.Add(p.Script.Make)
	p.made++
	if token != "" {
		p.tokens = append(p.tokens[max(0, len(p.tokens)+1-keptTokens):], r)
	}
	p.advance(now)
	return r
}

// touch starts generating a report like a person, if none is being generated.
func (p *pack) touch(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(now)
	if p.making == nil {
		p.making, p.ready = p.newReport("", now), now.Add(p.Script.Make)
		p.advance(now)
	}
}

// state returns the status and the latest report, which may be one that is being
// generated, or nil.
func (p *pack) state(now time.Time) (string, *report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance(now)
	switch {
	case p.making != nil:
		return statusCreating, p.making
	case len(p.reports) == 0:
		return statusNone, nil
	}
	latest := p.reports[len(p.reports)-1]
	return latest.status, latest
}

// stateOf returns the status and the report with that ID, as state does; nil if it
// is unknown.
func (p *pack) stateOf(id string, now time.Time) (string, *report) {
	status, latest := p.state(now)
	if latest == nil || latest.id == id || p.Script.Confuses {
		return status, latest
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.reports {
		if r.id == id && !p.Script.Forgets {
			return r.status, r
		}
	}
	return statusNone, nil
}

// advance completes the report if it is ready by now. The caller holds mu.
func (p *pack) advance(now time.Time) {
	if p.making == nil || p.Script.Never || now.Before(p.ready) {
		return
	}
	r, status := p.making, statusComplete
	if p.ended < len(p.Script.Ends) {
		status = p.Script.Ends[p.ended]
	}
	p.making = nil
	p.ended++
	p.finish(r, p.ready, status)
}

// finish adds a report that is done. Creation times are in milliseconds and
// strictly increasing.
func (p *pack) finish(r *report, at time.Time, status string) {
	at = at.Truncate(time.Millisecond).UTC()
	if n := len(p.reports); n > 0 {
		last := p.reports[n-1]
		if !at.After(last.created) {
			at = last.created.Add(time.Millisecond)
		}
	}
	r.created, r.status = at, status
	p.reports = append(p.reports[max(0, len(p.reports)+1-keptReports):], r)
}

// find returns the report with that creation time, or nil.
func (p *pack) find(createdMs int64) *report {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.reports {
		if r.created.UnixMilli() == createdMs && r.status == statusComplete {
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
