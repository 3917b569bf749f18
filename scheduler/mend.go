package scheduler

import (
	"context"
	"fmt"
	"slices"
	"time"

	"packseal.example/internal/fault"
)

// owe adds a debt and sees to it that somebody settles it.
func (s *Scheduler) owe(ctx context.Context, p *pack, d debt) {
	if p.owe(d) {
		s.children.Go(func() { s.mend(ctx, p, func() {}) })
	}
}

// mend reads the pack's history, if that was not done, and records what is
// owed, again and again until nothing is left. Only one goroutine mends a pack
// at a time, so while the archive is down each pack costs one that sleeps. It
// calls tried when the history was asked for, with or without success.
func (s *Scheduler) mend(ctx context.Context, p *pack, tried func()) {
	defer tried()
	for try := 0; ; try++ {
		err := s.guarded(p, func() error { return s.settle(ctx, p, tried) })
		tried()
		switch {
		case err == nil && p.clear():
			return
		case err == nil:
			try = -1 // more has come in
			continue
		case ctx.Err() != nil:
			return
		}
		s.opts.Logger.Warn("what a pack is owed could not be settled yet", "source", p.Source, "pack", p.Pack,
			"reason", fault.Of(err), "err", err)
		if !fault.Sleep(ctx, fault.Backoff{}.Wait(try, err)) {
			return
		}
	}
}

// settle does in one go all there is to mend.
func (s *Scheduler) settle(ctx context.Context, p *pack, tried func()) error {
	if !acquire(ctx, s.mending) {
		return context.Cause(ctx)
	}
	defer func() { <-s.mending }()
	if !p.loaded { // nobody else changes it
		if err := s.load(ctx, p); err != nil {
			return err
		}
	}
	tried()
	for {
		d, first, ok := p.debt()
		if !ok {
			return nil
		}
		err := s.record(ctx, p, &d, first)
		p.paid(d, err == nil)
		if err != nil {
			return err
		}
	}
}

// load reads the pack's history and finds what is owed from before the start:
// the latest slot is published if it is young enough, also when there is no
// record at all; the others since the first record become a debt.
func (s *Scheduler) load(ctx context.Context, p *pack) error {
	settled, err := s.opts.History(ctx, p.Source, p.Pack)
	if err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	now, after := wallClock(), p.bound()
	if len(settled) > 0 {
		p.known(settled[0])
		if settled[0].After(after) {
			after = settled[0]
		}
	}
	if latest, ok := p.Schedule.Latest(after, p.begun); ok {
		missed := debt{after: after, until: latest, reason: fault.Missed, settled: settled,
			detail: "the daemon was not running when the slot fell due"}
		_, done := slices.BinarySearchFunc(settled, latest, time.Time.Compare)
		if !done && p.within(latest, now) {
			if err := s.publish(ctx, p, latest, now); err != nil {
				return err
			}
			missed.until = latest.Add(-time.Second)
		}
		if len(settled) > 0 {
			p.owe(missed)
		}
	}
	p.mu.Lock()
	p.loaded = true
	p.mu.Unlock()
	s.metrics.set(p, now)
	return nil
}

// record records the debt's slots as gaps, and moves d.after past those that
// are done. A missed slot is left alone if the queue holds it, perhaps from
// before a restart, or if it is from before the pack's first.
func (s *Scheduler) record(ctx context.Context, p *pack, d *debt, first time.Time) error {
	var held Slot
	if d.reason == fault.Missed {
		if first.IsZero() {
			return nil
		}
		if first.After(d.after) {
			d.after = first
		}
		var err error
		if held, _, err = s.opts.Held(ctx, p.Source, p.Pack); err != nil {
			return err
		}
	}
	gaps := 0
	for due := range p.Schedule.Between(d.after, d.until) {
		_, done := slices.BinarySearchFunc(d.settled, due, time.Time.Compare)
		if !done && !held.Due.Equal(due) {
			if err := s.opts.Gap(ctx, p.slot(due), d.reason, d.detail); err != nil {
				return fmt.Errorf("recording the gap %s: %w", p.slot(due), err)
			}
			gaps++
		}
		d.after = due
	}
	if gaps > 0 {
		s.opts.Logger.Warn("gaps were recorded", "source", p.Source, "pack", p.Pack, "reason", d.reason, "gaps", gaps)
	}
	return nil
}
