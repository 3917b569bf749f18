package evidence

import (
	"strings"
	"time"

	"packseal.example/internal/fault"
)

// AckSchema is the schema of acknowledgements that is written today.
const AckSchema = "packseal.ack/v1"

// Ack is the record by which somebody acknowledges a slot's gap, or what verify
// finds wrong with the slot. It changes nothing of that. Fields are in the order
// of their keys.
type Ack struct {
	Due      time.Time `json:"due"`
	Pack     string    `json:"pack"`              // the pack's key
	Problem  string    `json:"problem,omitempty"` // the kind of problem, as verify names it; empty = the gap
	Recorded time.Time `json:"recorded"`          // UTC, whole seconds
	Schema   string    `json:"schema"`
	Source   string    `json:"source"`
	Tool     string    `json:"tool"`           // packseal/<version>
	Until    time.Time `json:"until,omitzero"` // the last moment for which it counts; zero = for ever
	Who      string    `json:"who"`
	Why      string    `json:"why"`
}

// Slot returns the slot that the record is of.
func (a Ack) Slot() Slot { return Slot{Source: a.Source, Pack: a.Pack, Due: a.Due} }

// ackLayout is the name of an acknowledgement within its slot's folder.
const ackLayout = "ack-" + DueFormat + ".json"

// Key returns the record's key.
func (a Ack) Key() string { return a.Slot().Dir() + a.Recorded.UTC().Format(ackLayout) }

// Says reports whether two acknowledgements of a slot say the same, whenever they
// were recorded.
func (a Ack) Says(b Ack) bool {
	return a.Problem == b.Problem && a.Until.Equal(b.Until) && a.Who == b.Who && a.Why == b.Why
}

// In returns the acknowledgement with its end in a time zone, for people.
func (a Ack) In(zone *time.Location) Ack {
	if !a.Until.IsZero() {
		a.Until = a.Until.In(zone)
	}
	return a
}

// String is the acknowledgement in words.
func (a Ack) String() string {
	text := "acknowledged by " + a.Who
	if !a.Until.IsZero() {
		text += " until " + a.Until.Format(time.RFC3339)
	}
	return text + ": " + a.Why
}

// InForce returns which of a slot's acknowledgements counts for a kind of problem
// (empty = the gap): the one that was recorded last, until it expires; nil = none.
func InForce(acks []Ack, problem string, now time.Time) (last *Ack) {
	for i, a := range acks {
		if a.Problem == problem && (last == nil || a.Recorded.After(last.Recorded)) {
			last = &acks[i]
		}
	}
	if last != nil && !last.Until.IsZero() && now.After(last.Until) {
		return nil
	}
	return last
}

// IsAck reports whether a name within a slot's folder is that of an
// acknowledgement.
func IsAck(name string) bool {
	t, err := time.Parse(ackLayout, name)
	return err == nil && t.Format(ackLayout) == name
}

// DecodeAck reads the acknowledgement that lies under a key. One that belongs
// under another, or says not who or why, is fault.Damaged. See [Decode] for other
// errors.
func DecodeAck(b []byte, key string) (Ack, error) {
	v, err := Decode(b)
	if err != nil {
		return Ack{}, err
	}
	a, ok := v.(Ack)
	switch {
	case !ok:
		return Ack{}, fault.New(fault.Damaged, "the record is not an acknowledgement")
	case a.Key() != key:
		return Ack{}, fault.New(fault.Damaged, "the acknowledgement belongs under the key %.400q", a.Key())
	case strings.TrimSpace(a.Who) == "" || strings.TrimSpace(a.Why) == "":
		return Ack{}, fault.New(fault.Damaged, "the acknowledgement does not say who or why")
	}
	return a, nil
}
