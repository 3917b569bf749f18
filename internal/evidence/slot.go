package evidence

import (
	"fmt"
	"strings"
	"time"

	"packseal.example/internal/fault"
)

// DueFormat is the layout of a due time in keys and IDs: UTC, whole seconds.
const DueFormat = "20060102T150405Z"

// Slot is one report that is owed: a pack and the time it fell due by its
// schedule. It is the unit of work, of evidence and of gaps.
type Slot struct {
	Source string    `json:"source"` // the source's name
	Pack   string    `json:"pack"`   // the pack's key, see [PackRef.Key]
	Due    time.Time `json:"due"`    // UTC, whole seconds
}

// ID names the slot: <source>/<pack>@<due>. It is the same on every replica
// and after every restart.
func (s Slot) ID() string {
	return fmt.Sprintf("%s/%s@%s", s.Source, s.Pack, s.Due.UTC().Format(DueFormat))
}

// String returns the ID.
func (s Slot) String() string { return s.ID() }

// Ref returns the slot's pack.
func (s Slot) Ref() PackRef { return Ref(s.Source, s.Pack) }

// ParseSlot reads a slot's ID. An error is fault.Request.
func ParseSlot(id string) (Slot, error) {
	at := strings.LastIndexByte(id, '@')
	source, pack, ok := strings.Cut(id[:max(at, 0)], "/")
	if ok && source != "" && pack != "" {
		if due, err := time.Parse(DueFormat, id[at+1:]); err == nil {
			return Slot{Source: source, Pack: pack, Due: due}, nil
		}
	}
	return Slot{}, fault.New(fault.Request, "%.200q is not a slot: expected <source>/<pack>@<yyyymmddThhmmssZ>", id).
		WithHint("packseal list prints slots")
}
