// Package queue hands each slot to exactly one worker at a time, and to
// another one when that worker dies. It is disposable: lost whole, the
// scheduler finds from the archive what is still owed.
package queue

import (
	"context"
	"time"

	"packseal.example/scheduler"
)

// Queue holds the slots that are due and not settled yet, at most one per
// pack. A second replica, or an outside NATS, stands behind the same interface.
type Queue interface {
	// Publish adds the task. A slot that is in the queue already, or was so
	// within the duplicate window, is scheduler.ErrDuplicate. A pack whose
	// earlier slot is still there is a *scheduler.OverlapError that names it.
	Publish(ctx context.Context, t scheduler.Task) error

	// Held returns the pack's slot that the queue holds, if any.
	Held(ctx context.Context, source, pack string) (scheduler.Slot, bool, error)

	// Work hands the source's tasks to handle, at most n at a time in all
	// replicas together, not counting those that are past Task.Fetched, until
	// ctx ends and the last handle has returned. While handle runs the task is
	// kept alive, so that nobody else gets it. What is paused is not handed
	// out, but when its deadline has passed, to be settled: see Task.Paused.
	Work(ctx context.Context, source string, n int, handle Handler) error
}

// Handler works on a task. It returns 0 when the task is settled and leaves
// the queue, or how long to wait before it is handed out again. It must return
// soon after ctx ends, as it does also for a task that is not fetched when this
// replica has lost touch with the others; the task then goes back at once,
// unless it is settled.
type Handler func(ctx context.Context, t scheduler.Task) (again time.Duration)
