package scheduler

import (
	"context"
	"slices"
	"sync"
	"time"

	"packseal.example/internal/fault"
)

// pack is the state of one pack's schedule. It never gets another plan: a pack
// whose plan changes is replaced.
type pack struct {
	Plan
	ctx    context.Context // of its backfill; ends when the pack is removed
	cancel context.CancelFunc
	tried  func() // see Scheduler.Ready

	// Owned by the due queue, or by the goroutine that looks at the pack.
	at      time.Time // when to look next
	tries   int       // how often publishing the slot at hand has failed
	removed bool      // guarded by the due queue

	begun    time.Time // the cursor at the start: what is older follows from the history
	replaced time.Time // the cursor of the pack that this one replaced, or zero

	caughtUp  bool      // the newest slot at the start was dealt with; only the backfill uses it,
	published time.Time // and the due time of that slot, if it was published

	mu         sync.Mutex
	cursor     time.Time     // all slots up to this due time are dealt with; it never moves back
	last, next time.Time     // see Scheduler.Due
	first      time.Time     // what is due after this is owed; zero: no record and no slot yet, so nothing is
	loaded     bool          // the history is known
	missed     []missedRange // what is to be recorded
	filling    bool          // a backfill is running
}

// missedRange is a run of slots that are to be recorded as gaps.
type missedRange struct {
	after, until time.Time // their due times: (after, until]
	reason       fault.Reason
	detail       string
}

// newPack returns the pack as it is at now.
func newPack(plan Plan, now time.Time) *pack {
	p := &pack{Plan: plan, filling: true, tried: func() {}, begun: now.Add(-plan.offset()).Truncate(time.Second)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	bound := p.bound()
	p.cursor = later(p.begun, bound)
	p.last, _ = p.Schedule.Latest(later(p.begun.Add(-lookBack), bound), p.begun)
	p.reschedule()
	return p
}

// replace takes over what was left to do for old, whose plan was another.
func (p *pack) replace(old *pack) {
	old.mu.Lock()
	defer old.mu.Unlock()
	p.replaced = old.cursor
	p.missed = slices.DeleteFunc(slices.Clone(old.missed), func(m missedRange) bool {
		return m.reason == fault.Missed // the history shows these
	})
}

// later returns the later of two times.
func later(x, y time.Time) time.Time {
	if x.Before(y) {
		return y
	}
	return x
}

// bound is what a due time must be after so as not to be before Since.
func (p *pack) bound() time.Time {
	if p.Since.IsZero() {
		return p.Since
	}
	return p.Since.Add(-1)
}

// reschedule computes the next slot, and when to look, from the cursor.
func (p *pack) reschedule() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = p.Schedule.Next(p.cursor)
	p.at = p.Start(p.next)
	p.tries = 0
}

// advanceTo moves the cursor.
func (p *pack) advanceTo(due time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cursor = due
}

// started records that the slot's start has come and that it is dealt with.
func (p *pack) started(due time.Time) {
	p.mu.Lock()
	p.cursor, p.last = due, due
	p.mu.Unlock()
	p.reschedule()
}

// due returns the due times of the latest slot that has started and of the
// one after it.
func (p *pack) due() (last, next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, p.next
}

// enqueue adds to what is to be recorded, and reports whether no backfill is
// running.
func (p *pack) enqueue(m missedRange) (idle bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.missed = append(p.missed, m)
	idle = !p.filling
	p.filling = true
	return idle
}

// setFirst records the earliest due time from which slots are owed; a later
// one is ignored.
func (p *pack) setFirst(due time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first.IsZero() || due.Before(p.first) {
		p.first = due
	}
}

// setLoaded records that the history is known.
func (p *pack) setLoaded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loaded = true
}

// nextMissed returns a copy of the first range to record, and from when on
// slots are owed.
func (p *pack) nextMissed() (m missedRange, first time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.missed) == 0 {
		return m, first, false
	}
	return p.missed[0], p.first, true
}

// done removes the first range, or replaces it with what is left of it.
func (p *pack) done(rest missedRange, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if all {
		p.missed = p.missed[1:]
		return
	}
	p.missed[0] = rest
}

// idle reports whether nothing is left to record, and if so ends the backfill.
func (p *pack) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.filling = !p.loaded || len(p.missed) > 0
	return !p.filling
}
