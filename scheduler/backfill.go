package scheduler

import (
	"context"
	"fmt"
	"iter"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// enqueue adds slots that are to be recorded as gaps, and sees to it that a
// backfill records them.
func (s *Scheduler) enqueue(p *pack, m missedRange) {
	if !p.enqueue(m) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startBackfill(p)
}

// startBackfill starts the pack's backfill while the scheduler runs; before
// that, Run does. It is called with s.mu held.
func (s *Scheduler) startBackfill(p *pack) {
	if s.ctx == nil {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	stop := context.AfterFunc(p.ctx, cancel)
	s.children.Go(func() {
		defer cancel()
		defer stop()
		s.backfill(ctx, p)
	})
}

// backfill catches up with the pack's newest slot, reads its history, and
// records the slots that were missed, until nothing is left. One goroutine does
// it for a pack at a time, so while the archive is down each pack costs one
// that sleeps.
func (s *Scheduler) backfill(ctx context.Context, p *pack) {
	defer p.tried()
	for try := 0; ; try++ {
		err := s.guarded(p, func() error { return s.fill(ctx, p) })
		p.tried()
		switch {
		case err == nil && p.idle():
			return
		case err == nil:
			try = -1 // more has come in
			continue
		case ctx.Err() != nil:
			return
		}
		s.opts.Logger.Warn("backfill failed", "source", p.Source, "pack", p.Pack, "reason", fault.Of(err), "err", err)
		if !fault.Sleep(ctx, fault.Backoff{}.Wait(try, err)) {
			return
		}
	}
}

// fill does in one go all that there is to do.
func (s *Scheduler) fill(ctx context.Context, p *pack) error {
	if err := s.catchUp(ctx, p); err != nil {
		return err
	}
	p.tried()
	if err := s.load(ctx, p); err != nil {
		return err
	}
	if !acquire(ctx, s.recording) {
		return context.Cause(ctx)
	}
	defer func() { <-s.recording }()
	for {
		m, first, ok := p.nextMissed()
		if !ok {
			return nil
		}
		err := s.record(ctx, p, &m, first)
		p.done(m, err == nil)
		if err != nil {
			return err
		}
	}
}

// catchUp publishes the newest slot that fell due before the start, if it is
// not settled and young enough.
func (s *Scheduler) catchUp(ctx context.Context, p *pack) error {
	if p.caughtUp {
		return nil
	}
	if !acquire(ctx, s.starting) {
		return context.Cause(ctx)
	}
	defer func() { <-s.starting }()
	due, now := p.newest(), wallClock()
	if !due.IsZero() && p.young(due, now) {
		settled, err := s.opts.History.Settled(ctx, p.slot(due))
		if err != nil {
			return fmt.Errorf("reading whether %s is settled: %w", p.slot(due), err)
		}
		if !settled {
			if err := s.publish(ctx, p, due, now, true); err != nil {
				return err
			}
			p.published = due
		}
	}
	p.caughtUp = true
	return nil
}

// newest returns the newest slot that fell due before the start; zero if none.
func (p *pack) newest() time.Time {
	due, _ := p.Schedule.Latest(later(p.begun.Add(-lookBack), p.bound()), p.begun)
	return due
}

// young reports whether a slot from before the start may be published still:
// it is within CatchUp, or publishing it was being tried when the plan changed.
func (p *pack) young(due, now time.Time) bool {
	pending := !p.replaced.IsZero() && due.After(p.replaced) && now.Sub(p.Start(due)) <= p.Timeout
	return pending || p.within(due, now)
}

// load reads from when on slots are owed: since the first record, if there is
// one. Those up to the start that have no record were missed.
func (s *Scheduler) load(ctx context.Context, p *pack) error {
	if p.loaded { // nobody else changes it
		return nil
	}
	first, ok, err := s.opts.History.FirstSettled(ctx, p.Source, p.Pack)
	if err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	if ok {
		p.setFirst(first)
		p.enqueue(missedRange{
			after: later(first, p.bound()), until: p.begun, reason: fault.Missed,
			detail: "the daemon was not running when the slot fell due",
		})
	}
	p.setLoaded()
	return nil
}

// record records the range's slots as gaps, and moves m.after past those that
// are done. A missed slot is left alone if it is settled, if the queue holds it,
// perhaps from before a restart, or if it is from before the pack's first.
func (s *Scheduler) record(ctx context.Context, p *pack, m *missedRange, first time.Time) error {
	open := p.slots(m.after, m.until)
	if m.reason == fault.Missed {
		if first.IsZero() {
			return nil
		}
		m.after = later(m.after, first)
		held, _, err := s.opts.Held(ctx, p.Source, p.Pack)
		if err != nil {
			return err
		}
		open = s.unsettled(ctx, p, *m, held)
	}
	gaps := 0
	for due, err := range open {
		if err != nil {
			return fmt.Errorf("reading the history: %w", err)
		}
		if err := s.opts.Gap(ctx, p.slot(due), m.reason, m.detail); err != nil {
			return fmt.Errorf("recording the gap %s: %w", p.slot(due), err)
		}
		gaps++
		m.after = due
	}
	if gaps > 0 {
		s.opts.Logger.Warn("gaps recorded", "source", p.Source, "pack", p.Pack, "reason", m.reason, "gaps", gaps)
	}
	return nil
}

// slots yields the due times in (after, until].
func (p *pack) slots(after, until time.Time) iter.Seq2[time.Time, error] {
	return func(yield func(time.Time, error) bool) {
		for due := range p.Schedule.Between(after, until) {
			if !yield(due, nil) {
				return
			}
		}
	}
}

// unsettled yields the due times of the range that have no record, are not held
// by the queue, and are not the slot that catchUp published.
func (s *Scheduler) unsettled(ctx context.Context, p *pack, m missedRange, held evidence.Slot) iter.Seq2[time.Time, error] {
	return func(yield func(time.Time, error) bool) {
		next, stop := iter.Pull2(s.opts.History.SettledBetween(ctx, p.Source, p.Pack, m.after, m.until))
		defer stop()
		settled, err, more := next()
		for due := range p.Schedule.Between(m.after, m.until) {
			for more && err == nil && settled.Before(due) {
				settled, err, more = next()
			}
			switch {
			case more && err != nil:
				yield(time.Time{}, err)
				return
			case more && settled.Equal(due), held.Due.Equal(due), p.published.Equal(due):
			case !yield(due, nil):
				return
			}
		}
	}
}
