package scheduler

import (
	"sync"
	"time"

	"packseal.example/internal/fault"
)

// pack is where one pack's schedule stands.
type pack struct {
	Plan

	// Of whoever has the pack: the agenda, or the one look at it.
	at     time.Time // when to look next
	cursor time.Time // all slots up to this due time are dealt with; it never moves back
	tries  int       // how often the publishing of the slot at hand has failed

	begun time.Time // the cursor at the start: what is older follows from the history

	mu         sync.Mutex
	last, next time.Time // see Scheduler.Due
	first      time.Time // what is due after this is owed; zero: no record and no slot yet, so nothing is
	loaded     bool      // the history is known
	owed       []debt    // what is to be recorded
	mending    bool      // somebody sees to loaded and owed
}

// debt is a run of slots that are to be recorded as gaps.
type debt struct {
	after, until time.Time // their due times: (after, until]
	reason       fault.Reason
	detail       string
	settled      []time.Time // but not these, in ascending order
}

// newPack returns the pack as it stands at now.
func newPack(plan Plan, now time.Time) *pack {
	p := &pack{Plan: plan, mending: true, begun: now.Add(-plan.offset()).Truncate(time.Second)}
	p.cursor = p.begun
	if bound := p.bound(); p.cursor.Before(bound) {
		p.cursor = bound
	}
	after := p.begun.Add(-lookBack)
	if bound := p.bound(); bound.After(after) {
		after = bound
	}
	p.last, _ = p.Schedule.Latest(after, p.begun)
	p.moved()
	return p
}

// bound is what a due time must be after so as not to be before Since.
func (p *pack) bound() time.Time {
	if p.Since.IsZero() {
		return p.Since
	}
	return p.Since.Add(-1)
}

// moved sets what follows from cursor: the next slot and when to look.
func (p *pack) moved() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = p.Schedule.Next(p.cursor)
	p.at = p.Start(p.next)
	p.tries = 0
}

// due returns the due times of the latest slot that has started and of the
// one after it.
func (p *pack) due() (last, next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, p.next
}

// owe adds to what is to be recorded, and reports whether nobody is at it.
func (p *pack) owe(d debt) (idle bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.owed = append(p.owed, d)
	idle = !p.mending
	p.mending = true
	return idle
}

// known says that slots are owed from then on, if not from before.
func (p *pack) known(from time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first.IsZero() || from.Before(p.first) {
		p.first = from
	}
}

// debt returns a copy of the first debt, and from when on slots are owed.
func (p *pack) debt() (d debt, first time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.owed) == 0 {
		return d, first, false
	}
	return p.owed[0], p.first, true
}

// paid puts what is left of the first debt in its place, or takes it off.
func (p *pack) paid(rest debt, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if all {
		p.owed = p.owed[1:]
		return
	}
	p.owed[0] = rest
}

// clear reports whether nothing is left to mend, and if so ends the mending.
func (p *pack) clear() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mending = !p.loaded || len(p.owed) > 0
	return !p.mending
}
