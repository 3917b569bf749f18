package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
)

// Options are what a Scheduler needs. All fields are required.
type Options struct {
	Plans      []Plan
	Logger     *slog.Logger
	Registerer prometheus.Registerer

	// History returns when the pack's settled slots fell due, in order.
	History func(ctx context.Context, source, pack string) ([]time.Time, error)
	// Publish hands a slot to the queue. ErrDuplicate and *OverlapError are
	// its answers for a slot, and for a pack, that the queue holds already.
	Publish func(ctx context.Context, t Task) error
	// Held returns the pack's slot that the queue holds, if any.
	Held func(ctx context.Context, source, pack string) (Slot, bool, error)
	// Gap records that a slot ended without a report.
	Gap func(ctx context.Context, s Slot, reason fault.Reason, detail string) error
}

// resync is how long the scheduler sleeps at most: what fell due while the
// machine was suspended, or across a change of its clock, is found then.
const resync = time.Minute

// grace is how late a slot may be seen without being missed.
const grace = 2 * resync

// Scheduler publishes each slot when it starts, and finds what was missed.
type Scheduler struct {
	Options
	packs   map[[2]string]*pack
	order   []*pack
	gaps    *gaps
	metrics *metrics
	unread  atomic.Int64 // packs whose history was not tried yet
}

// pack is one plan and how far it has come.
type pack struct {
	Plan
	share time.Duration // of its jitter
	start time.Time     // the first cursor: what was due until then is catchUp's affair

	mu     sync.Mutex
	cursor time.Time // every slot due until then has been dealt with; it only moves forward
	last   time.Time // the latest slot that fell due
	next   time.Time // the first slot after cursor; zero = none
}

// New makes a Scheduler.
func New(o Options) (*Scheduler, error) {
	if o.Logger == nil || o.Registerer == nil || o.History == nil || o.Publish == nil || o.Held == nil || o.Gap == nil {
		return nil, errors.New("scheduler: every option is required")
	}
	s := &Scheduler{Options: o, packs: make(map[[2]string]*pack), metrics: newMetrics(o.Registerer)}
	s.gaps = newGaps(o)
	now := time.Now().Round(0)
	for _, plan := range o.Plans {
		if plan.Timeout <= 0 {
			return nil, fmt.Errorf("scheduler: pack %s has no time-out", plan.Pack)
		}
		p := &pack{Plan: plan}
		p.share = plan.offset()
		p.start = now.Add(-p.share)
		p.advance(p.start)
		p.last, _ = plan.Schedule.Latest(p.cursor.AddDate(-2, 0, 0), p.cursor)
		s.packs[[2]string{plan.Source, plan.Pack}] = p
		s.order = append(s.order, p)
		s.metrics.show(p)
	}
	s.unread.Store(int64(len(s.order)))
	return s, nil
}

// Run schedules until ctx ends and all that it started has stopped.
func (s *Scheduler) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.gaps.run(ctx) })
	wg.Go(func() { s.resume(ctx) })
	for {
		wait := resync
		for _, p := range s.order {
			wait = min(wait, s.tick(ctx, p, time.Now().Round(0)))
		}
		if !fault.Sleep(ctx, max(wait, time.Millisecond)) {
			return nil
		}
	}
}

// Ready returns nil once the history of every pack was asked for.
func (s *Scheduler) Ready() error {
	if n := s.unread.Load(); n > 0 {
		return fault.New(fault.NotReady, "reading the history of %d packs", n)
	}
	return nil
}

// Due returns the pack's latest and next due times; zero = none.
func (s *Scheduler) Due(source, name string) (last, next time.Time) {
	p := s.packs[[2]string{source, name}]
	if p == nil {
		return last, next
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, p.next
}

// advance moves the cursor forward.
func (p *pack) advance(to time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if to.After(p.cursor) {
		p.cursor = to
		p.next = p.Schedule.Next(to)
	}
}

// fallen returns the slots that have started since the cursor: the latest,
// and those before it, which nobody published in their time.
func (p *pack) fallen(now time.Time) (latest time.Time, missed []time.Time) {
	for due := range p.Schedule.Between(p.cursor, now.Add(-p.share)) {
		if !latest.IsZero() {
			missed = append(missed, latest)
		}
		latest = due
	}
	if !latest.IsZero() && now.Sub(latest.Add(p.share)) > max(p.CatchUp, grace) {
		return time.Time{}, append(missed, latest)
	}
	return latest, missed
}

// tick deals with what has fallen due of one pack, and returns how long
// nothing more will. A panic is this pack's alone.
func (s *Scheduler) tick(ctx context.Context, p *pack, now time.Time) (wait time.Duration) {
	wait = resync
	defer s.contain(ctx, p)
	if p.next.IsZero() {
		return resync
	}
	if early := p.next.Add(p.share).Sub(now); early > 0 {
		return early
	}
	if latest, missed := p.fallen(now); !latest.IsZero() || len(missed) > 0 {
		if !latest.IsZero() && !s.publish(ctx, p, latest, now) {
			return time.Second
		}
		for _, due := range missed {
			s.gaps.owe(p.slot(due), fault.Missed, "no daemon was at work when it fell due")
		}
		p.mu.Lock()
		if p.last = latest; len(missed) > 0 && latest.IsZero() {
			p.last = missed[len(missed)-1]
		}
		p.mu.Unlock()
		p.advance(p.last)
		s.metrics.show(p)
	}
	return 0
}

// contain is deferred: it keeps a panic over one pack from the others.
func (s *Scheduler) contain(ctx context.Context, p *pack) {
	if r := recover(); r != nil {
		s.Logger.ErrorContext(ctx, "scheduling panicked", "pack", p.Pack, "panic", r, "stack", string(debug.Stack()))
	}
}

// publish hands a slot to the queue. It reports whether the slot is dealt
// with: in the queue, or owed as a gap because the pack is still at work.
func (s *Scheduler) publish(ctx context.Context, p *pack, due, now time.Time) bool {
	slot := p.slot(due)
	err := s.Publish(ctx, Task{Slot: slot, Deadline: now.Add(p.Timeout).UTC()})
	if over, ok := errors.AsType[*OverlapError](err); ok {
		s.Logger.WarnContext(ctx, "slot overlaps", "pack", p.Pack, "due", due, "held", over.Held.ID())
		s.gaps.owe(slot, fault.Overlap, over.Error())
		return true
	}
	if err != nil && !errors.Is(err, ErrDuplicate) {
		s.Logger.WarnContext(ctx, "slot can't be published yet", "pack", p.Pack, "due", due, "err", err)
		return false
	}
	return true
}
