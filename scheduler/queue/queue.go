// Package queue hands each slot to exactly one worker at a time, and to
// another one when that worker dies. It is disposable: lost whole, the
// scheduler finds from the archive what is still owed.
package queue

import (
	"context"
	"errors"
	"time"

	"packseal.example/scheduler"
)

// Queue holds the slots that are due and not settled yet, at most one per
// pack. A second replica, or an outside NATS, stands behind the same interface.
type Queue interface {
	// Publish adds the task. A slot that is in the queue already, or was so
	// within the duplicate window, is ErrDuplicate. A pack whose earlier
	// slot is still there is an *OverlapError that names it.
	Publish(ctx context.Context, t Task) error

	// Held returns the pack's slot that the queue holds, if any.
	Held(ctx context.Context, source, pack string) (scheduler.Slot, bool, error)

	// Work hands the source's tasks to handle, at most n at a time in the
	// whole cluster, until ctx ends and the last handle has returned. While
	// handle runs the task is kept alive, so that nobody else gets it.
	Work(ctx context.Context, source string, n int, handle Handler) error
}

// Task is one slot at work.
type Task struct {
	scheduler.Slot
	Deadline time.Time `json:"deadline"` // when the attempt to get its report is given up

	Delivered int `json:"-"` // how often it was handed out, 1 at first; set by Work
}

// Handler works on a task. It returns 0 when the task is settled and leaves
// the queue, or how long to wait before it is handed out again. It must return
// soon after ctx ends; the task then goes back at once.
type Handler func(ctx context.Context, t Task) (again time.Duration)

// ErrDuplicate is what Publish returns for a slot that it has taken before.
var ErrDuplicate = errors.New("the slot is in the queue already")

// OverlapError is what Publish returns when the pack is still at work.
type OverlapError struct {
	Held scheduler.Slot // the earlier slot
}

func (e *OverlapError) Error() string { return "the pack is still at work on " + e.Held.ID() }
