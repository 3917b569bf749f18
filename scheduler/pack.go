package scheduler

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/period"
	"packseal.example/scheduler/cron"
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
	removed bool      // guarded by the due queue

	frozen atomic.Bool // see Scheduler.Freeze

	begun time.Time     // slots that fell due before are the backfill's
	live  cron.Timeline // by which they have fallen due since

	mu         sync.Mutex
	cursor     time.Time     // all slots up to this due time are dealt with; it never moves back
	last, next time.Time     // see Scheduler.Due
	tries      int           // how often publishing the slot at hand has failed
	learned    bool          // these are known:
	past       cron.Timeline // by which slots fell due before begun, and on to now;
	first      bool          // nothing is known of before it;
	newest     time.Time     // the due time of the newest slot before begun
	caughtUp   bool          // the newest slot was dealt with,
	published  time.Time     // and its due time, if it was published
	loaded     bool          // what was missed before begun is among missed
	missed     []missedRange // what is to be recorded
	filling    bool          // a backfill is running
}

// missedRange is a run of slots that are to be recorded as gaps.
type missedRange struct {
	after, until time.Time     // their due times: (after, until]
	by           cron.Timeline // by which they fell due; nil: there is one, at until
	unseen       bool          // nobody was seen to deal with them: those that are settled, or at work, are no gaps
	cause                      // zero: Options.Missed says why
}

// cause is why a slot is a gap.
type cause struct {
	reason fault.Reason
	detail string
}

// newPack returns a pack whose plan is in force since then.
func newPack(plan Plan, since time.Time) *pack {
	p := &pack{Plan: plan, filling: true, tried: func() {}, begun: since, live: cron.Timeline(nil).Plan(since, plan.Since, plan.Until, plan.Schedule)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.cursor = since.Add(-1)
	p.reschedule()
	return p
}

// replace returns the pack with another plan, from since on.
func (p *pack) replace(plan Plan, since time.Time) *pack {
	next := newPack(plan, since)
	p.mu.Lock()
	defer p.mu.Unlock()
	next.begun, next.live = p.begun, p.live.Plan(since, plan.Since, plan.Until, plan.Schedule)
	next.learned, next.past, next.first, next.newest = p.learned, p.past, p.first, p.newest
	next.caughtUp, next.published, next.loaded = p.caughtUp, p.published, p.loaded
	next.missed = slices.Clone(p.missed)
	next.cursor, next.last = p.cursor, p.last
	next.reschedule()
	next.tries = p.tries
	return next
}

// leave returns what is left of a pack that is not scheduled any more since then:
// what it had to record, and its slots that did not start.
func (p *pack) leave(since time.Time) *pack {
	left := p.replace(Plan{Source: p.Source, Pack: p.Pack}, since)
	left.caughtUp = true
	left.missed = append(left.missed, missedRange{
		after: left.cursor, until: since.Add(-1), by: left.live, unseen: true,
		cause: cause{fault.Missed, "the pack was not scheduled any more when the slot was to start"},
	})
	return left
}

// fell returns the latest slot that reached its start after the due time
// cursor and up to now, and how late now is for it. It depends on nothing else,
// so whatever happened to the process or the clock in between, no slot is
// passed over: all between cursor and the latest fell due as well.
func (p *pack) fell(cursor, now time.Time) (latest time.Time, late time.Duration, ok bool) {
	latest, ok = p.live.Latest(cursor, now.Add(-p.offset()))
	return latest, now.Sub(p.Start(latest)), ok
}

// never is when to look at a pack of which nothing falls due any more.
var never = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// reschedule computes the next slot, and when to look, from the cursor.
func (p *pack) reschedule() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = p.live.Next(p.cursor)
	if p.at = never; !p.next.IsZero() {
		p.at = p.Start(p.next)
	}
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

// failed counts a failure to publish the slot at hand, and returns how many there
// were before.
func (p *pack) failed() (before int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tries++
	return p.tries - 1
}

// due returns the due times of the latest slot that has started and of the
// one after it.
func (p *pack) due() (last, next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, p.next
}

// owed returns the due time of the first slot that is owed, if one has been.
func (p *pack) owed() (first time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first = p.past.Next(p.bound()); first.IsZero() {
		first = p.live.Next(p.bound())
	}
	return first, p.loaded && !first.IsZero() && !first.After(p.last)
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

// setPast records how the pack was scheduled so far, and which slot was the newest.
func (p *pack) setPast(t cron.Timeline, first bool, newest time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.learned, p.past, p.first, p.newest = true, t, first, newest
	if !p.Start(newest).After(wallClock()) {
		p.last = period.Later(p.last, newest)
	}
}

// setCaughtUp records that the newest slot was dealt with, or published.
func (p *pack) setCaughtUp(published time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.caughtUp, p.published = true, published
	p.last = period.Later(p.last, p.newest)
}

// setLoaded adds what was missed before the start.
func (p *pack) setLoaded(m missedRange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.missed = append(p.missed, m)
	p.loaded = true
}

// nextMissed returns a copy of the first range to record.
func (p *pack) nextMissed() (m missedRange, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.missed) == 0 {
		return m, false
	}
	return p.missed[0], true
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
	p.filling = !p.loaded || !p.caughtUp || len(p.missed) > 0
	return !p.filling
}
