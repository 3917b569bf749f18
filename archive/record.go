// Package archive is the evidence record: which reports are sealed, which
// slots are gaps, and whether what was kept is still what was sealed.
//
// The sinks are the truth, and there is no other: no database says what has
// been archived. A slot comes to its end in this order, and wherever that is
// broken off, by a crash or a loss of power, what is there is enough to go on:
//
//	spool: ticket      the report is asked for; a restart waits for the same one
//	spool: body        complete and checked; a restart does not fetch it again
//	spool: draft       the manifest; a restart writes the very same bytes
//	sink:  report      under a name that follows from its bytes
//	sink:  manifest    the commit: from here on the slot is sealed
//	spool: removed     when every sink has both
//
// A report without a manifest is therefore a leftover, which the next try
// either completes or leaves to [Archive.Verify] to be found. A manifest
// without its report can't come about, other than by harm.
//
// Two archivers that work on one slot, in two replicas or by hand beside a
// daemon, meet at the manifest: its key is the same for both, and the sink
// takes one. The other reads that one back and makes it its own.
package archive

import (
	"time"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// State is how a slot ended.
type State string

// The two ends of a slot.
const (
	Sealed State = "sealed"
	Gapped State = "gap"
)

// Record is one settled slot as people and scripts read it (list, web).
type Record struct {
	scheduler.Slot
	State       State        `json:"state"`
	Settled     time.Time    `json:"settled"`                // when it was sealed, or recorded as a gap
	Created     time.Time    `json:"created,omitzero"`       // when the report was made, by Config's clock
	Object      string       `json:"object,omitempty"`       // the report's key in the sinks
	Size        int64        `json:"size,omitempty"`         // bytes
	SHA256      string       `json:"sha256,omitempty"`       // hex
	LateSeconds int64        `json:"late_seconds,omitempty"` // from due until the report was here
	Reason      fault.Reason `json:"reason,omitempty"`       // of a gap
	Detail      string       `json:"detail,omitempty"`       // of a gap: what was last tried and what came of it
}
