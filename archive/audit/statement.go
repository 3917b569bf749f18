package audit

import (
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// StatementSchema is the schema of statements that is written today.
const StatementSchema = "packseal.statement/v1"

// Statement says what was due within a period, and what became of it, as far as the
// ledger proves it. Times are UTC; those of stamps are by the clocks of the
// authorities. Lists are in order of time, then of slots, and never null. Fields of
// this and of what it holds are in the order of their keys.
type Statement struct {
	Began       time.Time     `json:"began,omitzero"` // later than From: the ledger began then, and of before nothing is said
	Besides     int           `json:"besides"`        // records of slots that no plan of the ledger expected, as of before it began
	Checkpoint  Checkpoint    `json:"checkpoint"`     // that all of it is proven by
	Counts      Counts        `json:"counts"`
	Findings    []Finding     `json:"findings"` // what is not as it should be
	From        time.Time     `json:"from"`     // the period's beginning: what is due then belongs to it
	Gaps        []Gap         `json:"gaps"`
	Late        []LateSlot    `json:"late"`
	Missing     []Slot        `json:"missing"` // were due, and have no record
	NotProven   []Limit       `json:"not_proven"`
	Open        []Slot        `json:"open"`            // were due too shortly before the last stamp to be called missing
	Packs       []string      `json:"packs,omitempty"` // the statement is of these alone, as <source>/<pack>
	PlanChanges []PlanChange  `json:"plan_changes"`
	Reports     *Reports      `json:"reports,omitempty"` // which of them the bundle has; nil: it is of no bundle
	Schema      string        `json:"schema"`
	SlatesLate  []LateSlate   `json:"slates_late"` // what was due was said too late to be said in advance
	Stamps      Stamps        `json:"stamps"`
	Tool        string        `json:"tool"`        // packseal/<version>
	Unscheduled []Unscheduled `json:"unscheduled"` // what was not due because a plan changed
	Until       time.Time     `json:"until"`       // the period's end: what is due then does not belong to it
	Voids       int           `json:"voids"`       // foreign objects that were found where batches are
	Witnesses   []string      `json:"witnesses"`   // by name, those whose cosignatures were checked
	Zone        string        `json:"zone"`        // of the period's days, an IANA name
}

// Checkpoint names a tree.
type Checkpoint struct {
	Origin string `json:"origin"`
	Root   string `json:"root"` // base64
	Size   int64  `json:"size"`
}

// Counts are numbers of slots that were due within the period. Expected is the sum
// of sealed, gap, found, missing and open ones.
type Counts struct {
	Expected    int `json:"expected"`
	Found       int `json:"found"`       // have a record that lay in the archive, and nobody vouches for how it came there
	Gap         int `json:"gap"`         // have no report, and a record that says why
	Late        int `json:"late"`        // of the sealed ones: see [LateSlot]
	Missing     int `json:"missing"`     // have no record
	Pruned      int `json:"pruned"`      // of the sealed and found ones: the report was removed after its retention
	Sealed      int `json:"sealed"`      // have a report
	Unscheduled int `json:"unscheduled"` // pack-days, see [Unscheduled]; they were not expected
}

// Slot is a pack and when it was due.
type Slot struct {
	Due    time.Time `json:"due"`
	Pack   string    `json:"pack"` // the pack's key
	Source string    `json:"source"`
}

// Gap is a slot without a report.
type Gap struct {
	Detail string       `json:"detail"`
	Due    time.Time    `json:"due"`
	Pack   string       `json:"pack"`
	Reason fault.Reason `json:"reason"`
	Source string       `json:"source"`
}

// LateSlot is a sealed slot whose record was not stamped within [Grace] after it was
// due.
type LateSlot struct {
	Due     time.Time `json:"due"`
	Pack    string    `json:"pack"`
	Sealed  time.Time `json:"sealed"` // as the record says
	Source  string    `json:"source"`
	Stamped time.Time `json:"stamped"` // the first stamp that proves the record
}

// LateSlate is a slate of which something was due before the first stamp that proves
// it, as after downtime.
type LateSlate struct {
	From    time.Time `json:"from"`
	Stamped time.Time `json:"stamped"`
	Until   time.Time `json:"until"`
}

// PlanChange is how a plan differs from the one before. Packs are written as
// <source>/<pack>.
type PlanChange struct {
	Added       []string  `json:"added"`
	At          time.Time `json:"at"` // since when the plan counts
	Removed     []string  `json:"removed"`
	Rescheduled []string  `json:"rescheduled"`
}

// Unscheduled is a pack that was due on fewer days than by an earlier plan.
type Unscheduled struct {
	Days   int       `json:"days"` // on which it would have been due by the plan before, and was not
	From   time.Time `json:"from"` // the first time at which it would have been due
	Pack   string    `json:"pack"`
	Source string    `json:"source"`
	Until  time.Time `json:"until"` // the last one
}

// Stamps tells of the tokens of time-stamping authorities that were checked.
type Stamps struct {
	Count   int      `json:"count"`
	Longest int64    `json:"longest_seconds"` // the longest time without one that touches the period
	Names   []string `json:"names"`           // of the authorities
}

// Limit is something that no statement proves, as a word. See [Limit.Text].
type Limit string

// The limits.
const (
	LimitTruth     Limit = "truth"     // that what a report says is true
	LimitRecent    Limit = "recent"    // anything after the last stamp
	LimitCollusion Limit = "collusion" // that operator, authorities and witnesses do not act together
	LimitUnplanned Limit = "unplanned" // that there was no pack besides those that were planned
	LimitBefore    Limit = "before"    // anything before the ledger began
	LimitTime      Limit = "time"      // when anything happened: no token was checked
)

// Grace is how long after an event its first stamp may come until the event counts
// as late, or its time as not proven.
const Grace = 24 * time.Hour

func slotOf(s evidence.Slot) Slot { return Slot{Due: s.Due, Pack: s.Pack, Source: s.Source} }

// Encode returns the statement as it is stored: canonical JSON.
func (s Statement) Encode() ([]byte, error) { return evidence.Canonical(s) }
