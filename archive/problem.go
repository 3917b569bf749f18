package archive

import (
	"slices"

	"packseal.example/internal/evidence"
)

// Kind is what is wrong with something in the archive.
type Kind string

// The kinds of problems.
const (
	Missing    Kind = "missing"    // a manifest without its report
	Altered    Kind = "altered"    // a report that is not what its manifest says, or a record or object of the ledger that is not what that says
	Malformed  Kind = "malformed"  // a record that is damaged, is of another slot, or was planted
	Newer      Kind = "newer"      // a record of a newer packseal, which this one can't check
	Orphaned   Kind = "orphaned"   // an object that no manifest names
	Divergent  Kind = "divergent"  // a record that differs from another sink's
	Unmirrored Kind = "unmirrored" // a slot that another sink has sealed, or a plan or acknowledgement that it has, and this one has not
	Deleted    Kind = "deleted"    // a record, or a report that a manifest names, that was deleted and of which the storage keeps that
	Absent     Kind = "absent"     // a slot that was due, and of which no sink has a record: it was never made, or was removed whole
	Unlocked   Kind = "unlocked"   // an object without a lock in a sink whose configuration asks for one
	LockShort  Kind = "lock_short" // an object whose lock is weaker, or ends earlier, than the configuration asks
	Vanished   Kind = "vanished"   // a slot that was seen in the archive before, and that no sink has any more
)

// The kinds that only the ledger tells, of a record and of itself. Altered may be told by
// it, too.
const (
	Unlogged   Kind = "unlogged"    // a record that the ledger has no entry of
	Unarchived Kind = "unarchived"  // an entry of the ledger whose record no sink has
	Forked     Kind = "forked"      // what a key of the ledger signed does not follow from what was signed before
	RolledBack Kind = "rolled_back" // the ledger is shorter than it was
	Void       Kind = "void"        // somebody without a key of the ledger wrote where its batches are
	Unslated   Kind = "unslated"    // a time of which the ledger does not say what falls due
)

// Kinds lists every kind, for metrics that are made at start.
func Kinds() []Kind {
	return []Kind{Missing, Altered, Malformed, Newer, Orphaned, Divergent, Unmirrored, Deleted, Absent, Vanished, Unlocked, LockShort,
		Unlogged, Unarchived, Forked, RolledBack, Void, Unslated}
}

// Problem is one thing that is wrong.
type Problem struct {
	Kind   Kind   `json:"kind"`
	Sink   string `json:"sink"` // empty: all of them
	Key    string `json:"key"`
	Detail string `json:"detail"`

	Ack *evidence.Ack `json:"ack,omitempty"` // that is in force; nil = the problem is not acknowledged
}

// Result is what Verify read.
type Result struct {
	Sealed    int       `json:"sealed"`                 // manifests, over all sinks
	Gaps      int       `json:"gaps"`                   // gap records, over all sinks
	Bytes     int64     `json:"bytes"`                  // of reports, over all sinks
	Unread    int       `json:"unread"`                 // objects that the store does not let us read, such as those in an archive tier; they were not checked
	Pending   int       `json:"pending,omitempty"`      // slots without a record whose reports wait in the spool: they are still being sealed
	Skipped   int       `json:"skipped,omitempty"`      // reports that are not in the sample
	Elsewhere int       `json:"elsewhere,omitempty"`    // slots that were due and have no record here, and that only other sinks were to keep, by their names
	Pruned    int       `json:"pruned,omitempty"`       // reports that were removed after their retention, as the ledger says, over all sinks
	Locks     []Locked  `json:"locks,omitempty"`        // of sinks whose configuration asks for locks
	Problems  []Problem `json:"problems"`               // also the acknowledged ones
	Acked     int       `json:"acknowledged,omitempty"` // of the problems

	Repaired      int   `json:"repaired,omitempty"`       // objects that [Archive.Repair] has copied to sinks
	RepairedBytes int64 `json:"repaired_bytes,omitempty"` // of reports and records

	Place Place `json:"-"` // where the next one begins, if reports are read part by part; of a whole verification, where a round begins

	Lacking []Problem `json:"-"` // what sinks lack without its being a problem, for [Archive.Repair]
}

// Open returns the problems that are not acknowledged.
func (r Result) Open() (open []Problem) {
	for _, p := range r.Problems {
		if p.Ack == nil {
			open = append(open, p)
		}
	}
	return open
}

// Damaged reports whether anything is wrong that is not acknowledged, beyond
// records that this program is too old to check.
func (r Result) Damaged() bool {
	return slices.ContainsFunc(r.Open(), func(p Problem) bool { return p.Kind != Newer })
}
