package scheduler

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"packseal.example/internal/fault"
)

const (
	// resync is how often the scheduler looks at the wall clock at least.
	// Timers count elapsed time, and stand still while a machine is suspended.
	resync = time.Minute

	// parallel bounds how many packs are published at once, and, apart from
	// that, how many histories are read and gaps recorded.
	parallel = 16
)

// Scheduler publishes each pack's slots as they fall due, and sees to those
// that nobody published: it catches up with the latest and records the others
// as gaps. What is owed follows from the schedules and the archive alone.
type Scheduler struct {
	opts    Options
	metrics *metrics
	packs   map[packKey]*pack
	agenda  *agenda

	publishing, mending chan struct{} // one for each that is at it
	children            sync.WaitGroup
	untried             atomic.Int64              // packs whose history was not asked for yet
	turned              atomic.Pointer[time.Time] // see Turned
}

// New returns a Scheduler that is ready to Run, once.
func New(o Options) (*Scheduler, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	s := &Scheduler{
		opts:       o,
		metrics:    m,
		packs:      make(map[packKey]*pack, len(o.Plans)),
		agenda:     newAgenda(),
		publishing: make(chan struct{}, parallel),
		mending:    make(chan struct{}, parallel),
	}
	now := wallClock()
	for _, plan := range o.Plans {
		p := newPack(plan, now)
		s.packs[plan.key()] = p
		m.set(p, now)
	}
	s.untried.Store(int64(len(s.packs)))
	s.turned.Store(new(time.Time))
	return s, nil
}

// wallClock is what the time of day is, without the reading of elapsed time
// that comparisons would go by.
func wallClock() time.Time { return time.Now().Round(0).UTC() }

// Ready returns nil once each pack was looked after: its history was read, or
// that was tried, and what there was to catch up with is in the queue.
func (s *Scheduler) Ready() error {
	if n := s.untried.Load(); n > 0 {
		return fault.New(fault.NotReady, "reading the history of %d packs", n)
	}
	return nil
}

// Turned returns when Run last came round or handed a pack out, with the
// reading of elapsed time; zero when it has not begun. While Run lives and is
// not stuck, that is a minute ago at most, and as long as a publish takes.
func (s *Scheduler) Turned() time.Time { return *s.turned.Load() }

// turn notes that Run gets on.
func (s *Scheduler) turn() {
	now := time.Now()
	s.turned.Store(&now)
}

// Due returns the due times of the pack's latest slot whose start has come and
// of the one after it. They are zero when there is no such slot or pack.
func (s *Scheduler) Due(source, pack string) (last, next time.Time) {
	if p := s.packs[packKey{source, pack}]; p != nil {
		return p.due()
	}
	return last, next
}

// Run schedules until ctx ends.
func (s *Scheduler) Run(ctx context.Context) error {
	defer s.children.Wait()
	for _, p := range s.packs {
		s.agenda.add(p)
		s.children.Go(func() { s.mend(ctx, p, sync.OnceFunc(func() { s.untried.Add(-1) })) })
	}
	timer := time.NewTimer(resync)
	defer timer.Stop()
	var last time.Time
	for ctx.Err() == nil {
		s.turn()
		now := wallClock()
		if now.Before(last) {
			s.opts.Logger.Warn("the clock was set back", "elapsed", now.Sub(last))
			s.agenda.hurry(now)
		}
		last = now
		for p := range s.agenda.due(now) {
			if !acquire(ctx, s.publishing) {
				return nil
			}
			s.turn()
			s.children.Go(func() {
				defer func() { <-s.publishing }()
				s.look(ctx, p)
			})
		}
		timer.Reset(s.agenda.wait(now, resync))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.agenda.added:
		}
	}
	return nil
}

// acquire takes a place, and reports whether it got one before ctx ended.
func acquire(ctx context.Context, places chan<- struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// look deals with what fell due of one pack, and puts it back in the agenda.
func (s *Scheduler) look(ctx context.Context, p *pack) {
	err := s.guarded(p, func() error { return s.advance(ctx, p, wallClock()) })
	if err != nil && ctx.Err() == nil {
		s.opts.Logger.Warn("a slot could not be published yet", "source", p.Source, "pack", p.Pack, "err", err)
		p.at = wallClock().Add(fault.Backoff{Max: 10 * time.Second}.Wait(p.tries, err))
		p.tries++
	}
	s.agenda.add(p)
}

// advance publishes the latest slot that fell due since p.cursor. Older ones
// that fell due unnoticed, while the machine was suspended or the queue did
// not answer, are gaps; so is the latest, if it is too old.
func (s *Scheduler) advance(ctx context.Context, p *pack, now time.Time) error {
	latest, late, ok := p.fell(p.cursor, now)
	if !ok {
		p.moved() // the clock was set back: look again when it is time
		return nil
	}
	inTime := late <= grace || p.within(latest, now) || p.tries > 0 && late <= p.Timeout
	missed := debt{after: p.cursor, until: latest, reason: fault.Missed, detail: "not published in time, because the machine or the queue stood still"}
	if inTime {
		missed.until = latest.Add(-time.Second)
	}
	if first := p.Schedule.Next(missed.after); !first.After(missed.until) {
		s.owe(ctx, p, missed)
	}
	p.cursor = missed.until
	if inTime {
		if err := s.publish(ctx, p, latest, now); err != nil {
			return err
		}
	}
	p.cursor = latest
	p.mu.Lock()
	p.last = latest
	p.mu.Unlock()
	p.moved()
	s.metrics.set(p, now)
	return nil
}

// publish publishes one slot. That the queue has it already is fine; that the
// pack is still at work is a gap.
func (s *Scheduler) publish(ctx context.Context, p *pack, due, now time.Time) error {
	p.known(due.Add(-time.Second)) // from this slot on, each is owed
	err := s.opts.Publish(ctx, Task{Slot: p.slot(due), Deadline: now.Add(p.Timeout)})
	overlap, overlaps := errors.AsType[*OverlapError](err)
	switch {
	case overlaps:
		reason := fault.Overlap
		if overlap.Paused != "" {
			reason = fault.Paused
		}
		s.opts.Logger.Warn("a slot is skipped, because the pack's earlier one is not settled",
			"source", p.Source, "pack", p.Pack, "due", due, "held", overlap.Held.Due, "reason", reason)
		s.owe(ctx, p, debt{after: due.Add(-time.Second), until: due, reason: reason, detail: overlap.Error()})
	case err != nil && !errors.Is(err, ErrDuplicate):
		return fmt.Errorf("publishing %s: %w", p.slot(due), err)
	}
	return nil
}

// guarded calls f. A panic is an error of this pack, and of no other.
func (s *Scheduler) guarded(p *pack, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.metrics.panics.Inc()
			s.opts.Logger.Error("a panic was caught while scheduling", "source", p.Source, "pack", p.Pack,
				"err", v, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "panic: %v", v)
		}
	}()
	return f()
}
