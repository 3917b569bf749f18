// Package archive is the evidence record: which reports are sealed, which
// slots are gaps, and whether what was kept is still what was sealed.
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
