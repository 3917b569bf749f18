package scheduler

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/cron"
)

// History answers which slots are settled: sealed, or recorded as gaps. Its
// methods are called from many goroutines, and again after a failure.
type History interface {
	// Settled reports whether a slot is settled. It is asked about each pack's
	// newest slot at the start, and must not wait for the rest of the history.
	Settled(ctx context.Context, s evidence.Slot) (bool, error)

	// FirstSettled returns the due time of the pack's first settled slot; ok is
	// false when none is. It may block until the pack's history is known.
	FirstSettled(ctx context.Context, source, pack string) (due time.Time, ok bool, err error)

	// LastSettled returns the due times of the pack's n last settled slots that
	// were due before then, the latest first. It may block likewise.
	LastSettled(ctx context.Context, source, pack string, before time.Time, n int) ([]time.Time, error)

	// SettledBetween yields the due times of the pack's settled slots in (after,
	// until], in ascending order. It may block likewise. An error is the last
	// that it yields.
	SettledBetween(ctx context.Context, source, pack string, after, until time.Time) iter.Seq2[time.Time, error]
}

// Options are what a Scheduler needs. All fields are required.
type Options struct {
	History History

	// InForce returns how the pack was scheduled until now, by the plans that
	// were recorded; first says that it begins with the first of all plans, so that
	// nothing is known of before. It may block until the plans are known.
	InForce func(ctx context.Context, source, pack string) (t cron.Timeline, first bool, err error)

	// Publish hands the task to the queue. A slot that it has taken before is
	// ErrDuplicate; a pack that is still at work is an *OverlapError.
	Publish func(ctx context.Context, t Task) error

	// Held returns the pack's slot that the queue holds, if any.
	Held func(ctx context.Context, source, pack string) (evidence.Slot, bool, error)

	// Gap records that there will be no report of the slot. It is called
	// again, with the same slot, until it succeeds, and must leave alone a
	// slot that is settled already.
	Gap func(ctx context.Context, slot evidence.Slot, reason fault.Reason, detail string) error

	// Missed says why a slot that fell due then, before the start, has no record.
	Missed func(due time.Time) (reason fault.Reason, detail string)

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// check reports what is missing.
func (o Options) check() error {
	if o.History == nil || o.Publish == nil || o.Held == nil || o.Gap == nil || o.InForce == nil || o.Missed == nil || o.Logger == nil || o.Registerer == nil {
		return errors.New("scheduler: every option is required")
	}
	return nil
}

// checkPlans reports the first plan that is no good.
func checkPlans(plans []Plan) error {
	seen := make(map[packKey]bool, len(plans))
	for _, p := range plans {
		switch {
		case seen[p.key()]:
			return fmt.Errorf("scheduler: two plans for %s/%s", p.Source, p.Pack)
		case p.Schedule.Next(time.Time{}).IsZero():
			return fmt.Errorf("scheduler: %s/%s has no schedule", p.Source, p.Pack)
		case p.Timeout <= 0:
			return fmt.Errorf("scheduler: the time-out of %s/%s is not positive", p.Source, p.Pack)
		}
		seen[p.key()] = true
	}
	return nil
}
