package evidence

import (
	"strings"
	"time"

	"packseal.example/internal/fault"
)

// Gap is the record of a slot that ended without a report. Fields are in the
// order of their keys.
type Gap struct {
	Detail   string       `json:"detail"` // the last error, in words
	Due      time.Time    `json:"due"`
	Pack     string       `json:"pack"`   // the pack's key
	Reason   fault.Reason `json:"reason"` // why, as a word
	Recorded time.Time    `json:"recorded"`
	Schema   string       `json:"schema"`
	Source   string       `json:"source"`
	Tool     string       `json:"tool"` // packseal/<version>
}

// MaxDetail bounds a gap's detail, in bytes.
const MaxDetail = 2000

// NewGap makes the record of a slot that ends without a report. Of a detail that
// is too long the end is cut off.
func NewGap(s Slot, reason fault.Reason, detail string, now time.Time, tool string) Gap {
	return Gap{
		Detail: strings.ToValidUTF8(detail[:min(len(detail), MaxDetail)], ""), Due: s.Due.UTC(), Pack: s.Pack, Reason: reason,
		Recorded: now.UTC().Truncate(time.Millisecond), Schema: GapSchema, Source: s.Source, Tool: tool,
	}
}

// Slot returns the slot that the record is of.
func (g Gap) Slot() Slot { return Slot{Source: g.Source, Pack: g.Pack, Due: g.Due} }

// Record returns the gap's essence.
func (g Gap) Record() Record {
	return Record{Slot: g.Slot(), State: Gapped, Settled: g.Recorded, Reason: g.Reason, Detail: g.Detail}
}

// DecodeGap reads the gap record that lies in the slot's folder. One of another
// slot is fault.Damaged. See [Decode] for other errors.
func DecodeGap(b []byte, s Slot) (Gap, error) {
	v, err := Decode(b)
	if err != nil {
		return Gap{}, err
	}
	g, ok := v.(Gap)
	switch {
	case !ok:
		return Gap{}, fault.New(fault.Damaged, "the record is not a gap record")
	case g.Slot() != s:
		return Gap{}, fault.New(fault.Damaged, "the gap record is of slot %s", g.Slot())
	}
	return g, nil
}
