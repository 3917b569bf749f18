// Package scheduler says when: which slots fall due, which were missed, and
// which are a gap. It knows packs by name only.
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

func (s Slot) String() string { return s.ID() }
