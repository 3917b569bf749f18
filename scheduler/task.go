package scheduler

import (
	"errors"
	"fmt"
	"time"

	"packseal.example/internal/evidence"
)

// Task is one slot at work.
type Task struct {
	evidence.Slot
	Deadline time.Time `json:"deadline"` // when the attempt to get its report is given up

	// Set by the scheduler: the slot is known not to be settled, so that it is
	// published even if the queue has had it before, as when it was dropped.
	Again bool `json:"-"`

	// Set by the queue.
	Delivered int    `json:"-"` // how often it was handed out, 1 at first
	Fetched   func() `json:"-"` // says that the report is here: from then on the task does not count against its source's bound
	Paused    string `json:"-"` // not empty: it was paused, as this says, until its deadline passed
}

// ErrDuplicate is what Publish returns for a slot that it has taken before.
var ErrDuplicate = errors.New("the slot is in the queue already")

// OverlapError is what Publish returns when the pack is still at work.
type OverlapError struct {
	Held   evidence.Slot // the earlier slot
	Paused string        // not empty: it is in the way because of a pause, as this says
}

// Error names the slot that is in the way; it becomes the gap's detail.
func (e *OverlapError) Error() string {
	if e.Paused != "" {
		return fmt.Sprintf("%s waits still: %s", e.Held.ID(), e.Paused)
	}
	return "the pack is still at work on " + e.Held.ID()
}
