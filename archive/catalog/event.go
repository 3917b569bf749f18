package catalog

import "packseal.example/internal/evidence"

// Event is a slot that has ended, as a replica tells of it.
type Event struct {
	evidence.Record
	Local bool `json:"-"` // this process has settled it

	// How many of the pack's slots whoever tells of it counts by then; both are 0
	// while it does not know.
	Sealed int `json:"sealed_slots"`
	Gaps   int `json:"gap_slots"`
}

// Attempt is what becomes of a slot that is at work.
type Attempt struct {
	evidence.Slot
	Working bool   // it is at work
	Trouble string // why its last attempt failed; empty = nothing is wrong
}
