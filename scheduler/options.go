package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
)

// Options are what a Scheduler needs. All fields are required, but for Plans.
type Options struct {
	Plans []Plan // one a pack

	// Publish hands the task to the queue. A slot that it has taken before is
	// ErrDuplicate; a pack that is still at work is an *OverlapError.
	Publish func(ctx context.Context, t Task) error

	// Held returns the pack's slot that the queue holds, if any.
	Held func(ctx context.Context, source, pack string) (Slot, bool, error)

	// History returns the due times of the pack's settled slots, sealed or
	// gaps, in ascending order. It is called once a pack at the start, and
	// again until it succeeds.
	History func(ctx context.Context, source, pack string) ([]time.Time, error)

	// Gap records that there will be no report of the slot. It is called
	// again, with the same slot, until it succeeds, and must leave alone a
	// slot that is settled already.
	Gap func(ctx context.Context, slot Slot, reason fault.Reason, detail string) error

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// check names the first field that is missing or out of its range.
func (o Options) check() error {
	if o.Publish == nil || o.Held == nil || o.History == nil || o.Gap == nil || o.Logger == nil || o.Registerer == nil {
		return errors.New("scheduler: every option is required")
	}
	seen := make(map[packKey]bool, len(o.Plans))
	for _, p := range o.Plans {
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
