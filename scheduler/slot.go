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

import "packseal.example/internal/evidence"

// Slot is one report that is owed.
type Slot = evidence.Slot
