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
	if err := s.recordMissed(ctx, p); err != nil {
		return err
	}
	if wait := p.Start(p.newest()).Sub(wallClock()); !p.caughtUp && !fault.Sleep(ctx, wait) {
		return context.Cause(ctx)
	}
	return s.catchUp(ctx, p)
}

// catchUp publishes the newest slot that fell due before the start, if it is
// not settled and young enough, once its start has come. Of a pack that was never
// scheduled before, it is the newest by its schedule of now.
func (s *Scheduler) catchUp(ctx context.Context, p *pack) error {
	if p.caughtUp {
		return nil
	}
	if !acquire(ctx, s.starting) {
		return context.Cause(ctx)
	}
	defer func() { <-s.starting }()
	if err := s.learn(ctx, p); err != nil {
		return err
	}
	due := p.newest()
	if len(p.past.With(p.begun, Schedule{})) == 0 {
		due = p.latest(Timeline{{Schedule: p.Schedule}})
	}
	now := wallClock()
	late := now.Sub(p.Start(due))
	switch {
	case due.IsZero() || late > grace && !p.within(due, now):
		p.setCaughtUp(time.Time{})
		return nil
	case late < 0:
		return nil
	}
	settled, err := s.opts.History.Settled(ctx, p.slot(due))
	if err != nil {
		return fmt.Errorf("reading whether %s is settled: %w", p.slot(due), err)
	}
	if settled {
		due = time.Time{}
	} else if err := s.publish(ctx, p, Task{Slot: p.slot(due), Deadline: now.Add(p.Timeout), Again: true}); err != nil {
		return err
	}
	p.setCaughtUp(due)
	return nil
}

// newest returns the newest slot that was due before the start; zero if none.
func (p *pack) newest() time.Time { return p.latest(p.past) }

// latest returns the latest slot before the start by that timeline; zero if none.
func (p *pack) latest(t Timeline) time.Time {
	due, _ := t.Latest(later(p.begun.Add(-lookBack), p.bound()), p.begun.Add(-1))
	return due
}

// learn finds out how the pack was scheduled. From before the archive's first plan
// nothing is written: where the pack's last two records are successive slots of
// its schedule then, it is taken to have been in force since.
func (s *Scheduler) learn(ctx context.Context, p *pack) error {
	if p.past != nil { // nobody else changes it
		return nil
	}
	past, first, err := s.opts.InForce(ctx, p.Source, p.Pack)
	if err != nil {
		return fmt.Errorf("reading how %s/%s was scheduled: %w", p.Source, p.Pack, err)
	}
	if first && len(past) > 0 {
		last, err := s.opts.History.LastSettled(ctx, p.Source, p.Pack, past[0].From, 2)
		if err != nil {
			return fmt.Errorf("reading the history: %w", err)
		}
		if schedule := past[0].Schedule; len(last) > 0 && schedule.Next(last[len(last)-1].Add(-time.Second)).Equal(last[len(last)-1]) &&
			(len(last) == 1 || schedule.Next(last[1]).Equal(last[0])) {
			past[0].From = last[0]
		}
	}
	p.setPast(append(Timeline{}, past...))
	return nil
}

// load adds what was missed before the start: what was due and has no record.
func (s *Scheduler) load(ctx context.Context, p *pack) error {
	if p.loaded { // nobody else changes it
		return nil
	}
	until := p.begun.Add(-1)
	if newest := p.newest(); !p.caughtUp {
		until = newest.Add(-1) // it waits for its start
	}
	p.setLoaded(missedRange{after: p.bound(), until: until, by: p.past, unseen: true})
	return nil
}

// recordMissed records all ranges.
func (s *Scheduler) recordMissed(ctx context.Context, p *pack) error {
	if !acquire(ctx, s.recording) {
		return context.Cause(ctx)
	}
	defer func() { <-s.recording }()
	for {
		m, ok := p.nextMissed()
		if !ok {
			return nil
		}
		err := s.record(ctx, p, &m)
		p.done(m, err == nil)
		if err != nil {
			return err
		}
	}
}

// record records the range's slots as gaps, and moves m.after past those that
// are done. Of those that nobody was seen to deal with, one is left alone that is
// settled, or held by the queue, perhaps from before a restart.
func (s *Scheduler) record(ctx context.Context, p *pack, m *missedRange) error {
	open := m.slots()
	if m.unseen {
		held, _, err := s.opts.Held(ctx, p.Source, p.Pack)
		if err != nil {
			return err
		}
		open = s.unsettled(ctx, p, *m, held)
	}
	gaps := make(map[fault.Reason]int)
	defer func() {
		for reason, n := range gaps {
			s.opts.Logger.Warn("gaps recorded", "source", p.Source, "pack", p.Pack, "reason", reason, "gaps", n)
		}
	}()
	for due, err := range open {
		if err != nil {
			return fmt.Errorf("reading the history: %w", err)
		}
		why := m.cause
		if why.reason == "" {
			why.reason, why.detail = s.opts.Missed(due)
		}
		if err := s.opts.Gap(ctx, p.slot(due), why.reason, why.detail); err != nil {
			return fmt.Errorf("recording the gap %s: %w", p.slot(due), err)
		}
		gaps[why.reason]++
		m.after = due
	}
	return nil
}

// slots yields the due times of the range.
func (m missedRange) slots() iter.Seq2[time.Time, error] {
	return func(yield func(time.Time, error) bool) {
		if m.by == nil {
			yield(m.until, nil)
			return
		}
		for due := range m.by.Between(m.after, m.until) {
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
		for due := range m.by.Between(m.after, m.until) {
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
