// Package scheduler says when: which slots fall due, which were missed, and
// which are a gap. It knows packs by name only.
//
// Three times belong to a slot, and must not be taken for one another:
//
//	due       by the schedule alone, in UTC and whole seconds. It names the
//	          slot, and every replica and every restart computes the same.
//	start     due plus the pack's share of the jitter, a fixed one. Before it
//	          nothing is published.
//	deadline  when the report is given up: the time-out after publishing.
//
// Nothing is kept between two runs. What is owed follows from the plans that were
// in force, which are recorded in the archive, and its history: a slot that was
// due, that has no record and is not in the queue, is made up for or is a gap. So
// the queue may be lost, a machine suspended or its clock set, and no slot
// vanishes; and a schedule that changes makes no slots of the past.
package scheduler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/guard"
)

const (
	// resync is how often the scheduler looks at the wall clock at least.
	// Timers count elapsed time, and stand still while a machine is suspended.
	resync = time.Minute

	// frozenCheck is when to look again at a pack that is frozen.
	frozenCheck = 50 * time.Millisecond

	// parallel bounds how many packs are published at once, and, apart from
	// that, how many are caught up with at the start, and how many have gaps
	// recorded.
	parallel = 16
)

// Scheduler publishes each pack's slots as they fall due, and sees to those
// that nobody published: it catches up with the latest and records the others
// as gaps. What is owed follows from the plans and the archive alone.
type Scheduler struct {
	opts    Options
	metrics *metrics
	queue   *dueQueue

	publishing, starting, recording chan struct{} // permits
	children                        sync.WaitGroup
	untried                         atomic.Int64 // packs of the start that are not caught up with yet
	ready                           atomic.Bool
	turned                          atomic.Pointer[time.Time] // see Turned

	mu    sync.RWMutex
	packs map[packKey]*pack
	ctx   context.Context // of Run; nil before and after

	waiting []*pack // whose backfills start with Run
}

// New returns a Scheduler without packs that is ready to Run, once.
func New(o Options) (*Scheduler, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Scheduler{
		opts:       o,
		packs:      make(map[packKey]*pack),
		queue:      newDueQueue(),
		publishing: make(chan struct{}, parallel),
		starting:   make(chan struct{}, parallel),
		recording:  make(chan struct{}, parallel),
	}
	s.turned.Store(new(time.Time))
	var err error
	if s.metrics, err = newMetrics(o.Registerer, s.snapshot); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	return s, nil
}

// wallClock is what the time of day is, without the reading of elapsed time
// that comparisons would go by.
func wallClock() time.Time { return time.Now().Round(0).UTC() }

// Ready returns nil once each pack that was there when Run began was caught up
// with, or that was tried: its newest slot is settled or in the queue.
func (s *Scheduler) Ready() error {
	switch n := s.untried.Load(); {
	case !s.ready.Load():
		return fault.New(fault.NotReady, "starting")
	case n > 0:
		return fault.New(fault.NotReady, "reading the newest slot of %d packs", n)
	}
	return nil
}

// Turned returns when Run last came round or handed a pack out, with the
// reading of elapsed time; zero when it has not begun. While Run lives and is
// not stuck, that is a minute ago at most, and as long as a publish takes.
func (s *Scheduler) Turned() time.Time { return *s.turned.Load() }

// turn records that Run is alive.
func (s *Scheduler) turn() {
	now := time.Now()
	s.turned.Store(&now)
}

// Due returns the due times of the pack's latest slot whose start has come and
// of the one after it. They are zero when there is no such slot or pack.
func (s *Scheduler) Due(source, pack string) (last, next time.Time) {
	s.mu.RLock()
	p := s.packs[packKey{source, pack}]
	s.mu.RUnlock()
	if p != nil {
		return p.due()
	}
	return last, next
}

// begin lets backfills run, and starts those of the packs that are there.
func (s *Scheduler) begin(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctx = ctx
	s.untried.Store(int64(len(s.packs)))
	s.ready.Store(true)
	for _, p := range s.packs {
		p.tried = sync.OnceFunc(func() { s.untried.Add(-1) })
	}
	for _, p := range s.waiting {
		s.startBackfill(p)
	}
	s.waiting = nil
}

// end lets no backfill start any more, and waits for those that run.
func (s *Scheduler) end() {
	s.mu.Lock()
	s.ctx = nil
	s.mu.Unlock()
	s.children.Wait()
}

// Run schedules until ctx ends.
func (s *Scheduler) Run(ctx context.Context) error {
	s.begin(ctx)
	defer s.end()
	timer := time.NewTimer(resync)
	defer timer.Stop()
	var last time.Time
	for ctx.Err() == nil {
		s.turn()
		now := wallClock()
		if now.Before(last) {
			s.opts.Logger.Warn("clock set back", "elapsed", now.Sub(last))
			s.queue.retryNow(now)
		}
		last = now
		for p := range s.queue.due(now) {
			if !acquire(ctx, s.publishing) {
				return nil
			}
			s.turn()
			s.children.Go(func() {
				defer func() { <-s.publishing }()
				s.look(ctx, p)
			})
		}
		timer.Reset(s.queue.wait(now, resync))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.queue.added:
		}
	}
	return nil
}

// acquire takes a permit, and reports whether it got one before ctx ended.
func acquire(ctx context.Context, permits chan<- struct{}) bool {
	select {
	case permits <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// look deals with what fell due of one pack, and puts it back in the queue.
func (s *Scheduler) look(ctx context.Context, p *pack) {
	now := wallClock() // before the pack is frozen, or it is seen to be
	if p.frozen.Load() {
		p.at = now.Add(frozenCheck)
		s.queue.add(p)
		return
	}
	err := s.guarded(p, func() error { return s.advance(ctx, p, now) })
	if err != nil && ctx.Err() == nil {
		s.opts.Logger.Warn("publishing failed", "source", p.Source, "pack", p.Pack, "reason", fault.Of(err), "err", err)
		p.at = wallClock().Add(fault.Backoff{Max: 10 * time.Second}.Wait(p.failed(), err))
	}
	s.queue.add(p)
}

// advance publishes the latest slot that fell due since the cursor. Older ones
// that fell due unnoticed, while the machine was suspended or the queue did
// not answer, are gaps; so is the latest, if it is too old.
func (s *Scheduler) advance(ctx context.Context, p *pack, now time.Time) error {
	p.mu.Lock()
	cursor, tried := p.cursor, p.tries > 0
	p.mu.Unlock()
	latest, late, ok := p.fell(cursor, now)
	if !ok {
		p.reschedule() // the clock was set back: look again when it is time
		return nil
	}
	inTime := p.fresh(latest, now) || tried && late <= p.Timeout
	missed := missedRange{after: cursor, until: latest, by: p.live, unseen: true, cause: cause{fault.Missed, "not published in time: the machine or the queue stood still, or the clock was set forward"}}
	if inTime {
		missed.until = latest.Add(-time.Second)
	}
	if first := p.live.Next(missed.after); !first.After(missed.until) {
		s.enqueue(p, missed)
	}
	p.advanceTo(missed.until)
	if inTime {
		if err := s.publish(ctx, p, Task{Slot: p.slot(latest), Deadline: now.Add(p.Timeout)}, true); err != nil {
			return err
		}
	}
	p.started(latest)
	return nil
}

// publish publishes one slot. That the queue has it already is fine; that the
// pack is still at work is a gap, if the slot is owed.
func (s *Scheduler) publish(ctx context.Context, p *pack, t Task, owed bool) error {
	err := s.opts.Publish(ctx, t)
	overlap, overlaps := errors.AsType[*OverlapError](err)
	switch {
	case overlaps && !owed:
	case overlaps:
		reason := fault.Overlap
		if overlap.Paused != "" {
			reason = fault.Paused
		}
		s.opts.Logger.Warn("slot skipped", "source", p.Source, "pack", p.Pack, "due", t.Due, "held", overlap.Held.Due, "reason", reason)
		s.enqueue(p, missedRange{after: t.Due.Add(-time.Second), until: t.Due, cause: cause{reason, overlap.Error()}})
	case err != nil && !errors.Is(err, ErrDuplicate):
		return fmt.Errorf("publishing %s: %w", t.Slot, err)
	}
	return nil
}

// guarded calls f. A panic is an error of this pack, and of no other.
func (s *Scheduler) guarded(p *pack, f func() error) error {
	return guard.Call(f, func(value any, stack string) {
		s.metrics.panics.Inc()
		s.opts.Logger.Error("panic in scheduler", "source", p.Source, "pack", p.Pack, "err", value, "stack", stack)
	})
}
