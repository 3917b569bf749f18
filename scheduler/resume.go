package scheduler

import (
	"context"
	"slices"
	"sync"
	"time"

	"packseal.example/internal/fault"
)

// readers is how many histories are read side by side at the start.
const readers = 16

// resume finds, pack by pack, what was owed before this start. A sink that is
// down holds up what needs its history, and nothing else.
func (s *Scheduler) resume(ctx context.Context) {
	var wg sync.WaitGroup
	free := make(chan struct{}, readers)
	for _, p := range s.order {
		free <- struct{}{}
		wg.Go(func() {
			defer s.contain(ctx, p)
			err := func() error {
				defer func() { s.unread.Add(-1); <-free }()
				return s.catchUp(ctx, p)
			}()
			for try := 0; err != nil; try++ {
				s.Logger.WarnContext(ctx, "history can't be read yet", "pack", p.Pack, "reason", fault.Of(err), "err", err)
				if !fault.Sleep(ctx, fault.Backoff{}.Wait(try, err)) {
					return
				}
				err = s.catchUp(ctx, p)
			}
		})
	}
	wg.Wait()
}

// catchUp settles what a pack owed when the scheduler started: of the slots
// until then that are in no record, the latest is published when it is
// young enough, and the others are gaps. A pack without any record owes
// nothing but its latest slot.
func (s *Scheduler) catchUp(ctx context.Context, p *pack) error {
	settled, err := s.History(ctx, p.Source, p.Pack)
	if err != nil {
		return err
	}
	held, _, err := s.Held(ctx, p.Source, p.Pack)
	if err != nil {
		return err
	}
	now := time.Now().Round(0)
	latest, missed := p.owed(settled, held.Due, now)
	for _, due := range missed {
		s.gaps.owe(p.slot(due), fault.Missed, "no daemon was at work when it fell due")
	}
	for !latest.IsZero() && !s.publish(ctx, p, latest, now) {
		if !fault.Sleep(ctx, time.Second) {
			break
		}
	}
	return nil
}

// owed returns the slots due until the start that are neither settled nor held
// by the queue: the latest, when it is to be made up for, and the missed ones.
func (p *pack) owed(settled []time.Time, held, now time.Time) (latest time.Time, missed []time.Time) {
	done := func(due time.Time) bool {
		_, ok := slices.BinarySearchFunc(settled, due, time.Time.Compare)
		return ok || due.Equal(held)
	}
	if due, ok := p.Schedule.Latest(now.Add(-p.CatchUp-time.Second), p.start); ok && !due.Before(p.Since) && !done(due) {
		latest = due
	}
	if len(settled) == 0 {
		return latest, nil
	}
	from := settled[0]
	if p.Since.After(from) {
		from = p.Since.Add(-time.Second)
	}
	for due := range p.Schedule.Between(from, p.start) {
		if !done(due) && !due.Equal(latest) {
			missed = append(missed, due)
		}
	}
	return latest, missed
}
