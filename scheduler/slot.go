// Package scheduler says when: which slots fall due, which were missed, and
// which are a gap. It knows packs by name only.
//
// Three times belong to a slot, and must not be taken for one another:
//
//	due       by the schedule alone, in UTC and whole seconds. It names the
//	          slot, and every replica and every restart reckons the same.
//	start     due plus the pack's share of the jitter, a fixed one. Before it
//	          nothing is published.
//	deadline  when the report is given up: the time-out after publishing.
//
// Nothing is kept between two runs. What is owed follows from the schedule and
// the archive's history: a slot that fell due after the pack's first record,
// that has no record and is not in the queue, is made up for or is a gap. So
// the queue may be lost, a machine suspended or its clock set, and no slot
// vanishes.
package scheduler

import (
	"fmt"
	"time"
)

// DueFormat is how a due time is written in keys and IDs: UTC, whole seconds.
const DueFormat = "20060102T150405Z"

// Slot is one report that is owed: a pack and the time it fell due by its
// schedule. It is the unit of work, of evidence and of gaps.
type Slot struct {
	Source string    `json:"source"` // the source's name in the configuration
	Pack   string    `json:"pack"`   // the pack's key: "cp-…", or "ca-…/cp-…" for an account group's
	Due    time.Time `json:"due"`    // UTC, whole seconds
}

// ID names the slot: <source>/<pack>@<due>. It is the same on every replica
// and after every restart.
func (s Slot) ID() string {
	return fmt.Sprintf("%s/%s@%s", s.Source, s.Pack, s.Due.UTC().Format(DueFormat))
}

// String is the ID, so that a slot in a message or a log is the name by which
// every verb takes it.
func (s Slot) String() string { return s.ID() }
