package scheduler

import (
	"context"
	"fmt"
	"iter"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/period"
	"packseal.example/scheduler/cron"
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
		s.waiting = append(s.waiting, p)
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
	if !p.caughtUp && !fault.Sleep(ctx, p.Start(p.newest).Sub(wallClock())) {
		return context.Cause(ctx)
	}
	return s.catchUp(ctx, p)
}

// catchUp publishes the newest slot that fell due before the start, if it is
// not settled and young enough, once its start has come.
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
	due, now := p.newest, wallClock()
	switch {
	case due.IsZero() || !p.fresh(due, now):
		p.setCaughtUp(time.Time{})
		return nil
	case now.Before(p.Start(due)):
		return nil
	}
	settled, err := s.opts.History.Settled(ctx, p.slot(due))
	if err != nil {
		return fmt.Errorf("reading whether %s is settled: %w", p.slot(due), err)
	}
	if settled {
		p.setCaughtUp(time.Time{})
		return nil
	}
	task := Task{Slot: p.slot(due), Deadline: now.Add(p.Timeout), Again: true}
	if err := s.publish(ctx, p, task, due.Equal(p.latest(p.past))); err != nil {
		return err
	}
	p.setCaughtUp(due)
	return nil
}

// learn finds out how the pack was scheduled, and which slot was the newest. A
// pack of which nothing is kept yet gets the newest by its schedule of now.
func (s *Scheduler) learn(ctx context.Context, p *pack) error {
	if p.learned { // nobody else changes it
		return nil
	}
	past, first, err := s.opts.InForce(ctx, p.Source, p.Pack)
	if err != nil {
		return fmt.Errorf("reading how %s/%s was scheduled: %w", p.Source, p.Pack, err)
	}
	newest := p.latest(past)
	if newest.IsZero() {
		kept := false
		if past, kept, err = s.extend(ctx, p, past, first); err != nil {
			return err
		}
		if newest = p.latest(past); !kept {
			newest = p.latest(cron.Timeline(nil).Plan(time.Time{}, time.Time{}, p.Until, p.Schedule))
		}
	}
	p.setPast(past, first, newest)
	return nil
}

// extend adds to a timeline what was before the archive's first plan, of which
// nothing is written: where the pack's last two records from then are successive
// slots of its schedule, that is taken to have been in force since. kept reports
// whether there are such records.
func (s *Scheduler) extend(ctx context.Context, p *pack, t cron.Timeline, first bool) (_ cron.Timeline, kept bool, err error) {
	before := p.begun
	if len(t) > 0 {
		before = t[0].From
	}
	last, err := s.opts.History.LastSettled(ctx, p.Source, p.Pack, before, 2)
	if err != nil {
		return nil, false, fmt.Errorf("reading the history: %w", err)
	}
	if !first || len(t) == 0 || len(last) == 0 {
		return t, len(last) > 0, nil
	}
	schedule, oldest := t[0].Schedule, last[len(last)-1]
	if !schedule.Next(oldest.Add(-time.Second)).Equal(oldest) || len(last) == 2 && !schedule.Next(oldest).Equal(last[0]) {
		return t, true, nil
	}
	return append(cron.Timeline{{From: last[0], Schedule: schedule}}, t[1:]...), true, nil
}

// latest returns the latest slot before the start by that timeline; zero if none.
func (p *pack) latest(t cron.Timeline) time.Time {
	due, _ := t.Latest(period.Later(p.begun.Add(-cron.LookBack), p.bound()), p.begun.Add(-1))
	return due
}

// Expiry is the least age at which records may be deleted by a rule of the store.
// What was due longer ago, and before the pack's first record, is not missed: its
// records may have expired.
const Expiry = 7 * 24 * time.Hour

// load adds what was missed before the start: what was due and has no record.
func (s *Scheduler) load(ctx context.Context, p *pack) error {
	if p.loaded { // nobody else changes it
		return nil
	}
	if err := s.learn(ctx, p); err != nil {
		return err
	}
	first, ok, err := s.opts.History.FirstSettled(ctx, p.Source, p.Pack)
	if err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	after, past := p.bound(), p.past
	if ok {
		after = period.Later(after, period.Earlier(first, p.begun.Add(-Expiry)))
	}
	if p.first {
		if past, _, err = s.extend(ctx, p, past, true); err != nil {
			return err
		}
	}
	until := p.begun.Add(-1)
	if !p.caughtUp {
		until = p.newest.Add(-1) // it waits for its start
	}
	p.setLoaded(missedRange{after: after, until: until, by: past, unseen: true})
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
