package queue

import (
	"context"
	"log/slog"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/guard"
	"packseal.example/scheduler"
	"packseal.example/scheduler/replica"
)

// common is what the parts of an open queue share.
type common struct {
	stream   *stream
	group    *replica.Group
	inflight *inflight
	metrics  *metrics
	timing   Timing
	log      *slog.Logger
	*pauses
}

// Handler works on a task. It returns 0 when the task is settled and leaves the
// queue, or how long to wait before it is handed out again. It must return soon
// after ctx ends; the task is then handed out again at once, unless it is
// settled.
type Handler = func(ctx context.Context, t scheduler.Task) (again time.Duration)

// handle calls the handler. A panic costs this attempt and nothing else.
func (c *common) handle(ctx context.Context, settle Handler, t scheduler.Task) (again time.Duration) {
	end := c.inflight.begin(t)
	defer func() { end(again) }()
	work := func() error { again = settle(ctx, t); return nil }
	if err := guard.Call(work, func(value any, stack string) {
		c.metrics.panics.WithLabelValues(t.Source).Inc()
		c.log.Error("panic recovered", "source", t.Source, "pack", t.Pack, "due", t.Due, "err", value, "stack", stack)
	}); err != nil {
		again = fault.Backoff{}.Wait(t.Delivered-1, nil)
	}
	return again
}
