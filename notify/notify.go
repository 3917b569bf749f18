// Package notify tells people: of gaps, of packs that are overdue and that
// have recovered, of what verification found, of a configuration that could
// not be loaded, and, in a digest, how things stand.
//
// [Notices] takes events in and never keeps anybody waiting: an event is noted
// in memory, and all the rest (grouping, rate limits, sending, trying again)
// happens in goroutines of [Notices.Run]. What a channel was told is kept in a
// small file, so that no restart tells it twice; what it was not told, because
// nobody was running or the channel was down, follows from the archive when
// its records are read back at the start. The file is disposable: without it,
// telling begins anew from now.
//
// A channel is one package below this one and one field in config.Notice.
package notify

import (
	"context"
	"net/http"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Kind is what an event is about.
type Kind string

// The kinds of events.
const (
	Gap          Kind = "gap"           // a slot ended without a report
	Overdue      Kind = "overdue"       // a slot is past its time-out and not settled
	Recovered    Kind = "recovered"     // a pack with a gap or an overdue slot has a report sealed again
	Findings     Kind = "findings"      // verification found something else than the last time
	ReloadFailed Kind = "reload_failed" // a new configuration was refused
	DigestDue    Kind = "digest"        // the time for a statement of how things stand
)

// Kinds lists every kind, the ones to look at first in front.
func Kinds() []Kind { return []Kind{Gap, Findings, Overdue, ReloadFailed, Recovered, DigestDue} }

// Event is one thing that happened.
type Event struct {
	Kind   Kind           `json:"kind"`
	Source string         `json:"source,omitempty"` // of a pack: its source's name
	Pack   string         `json:"pack,omitempty"`   // its key
	Name   string         `json:"name,omitempty"`   // what people call it
	Due    time.Time      `json:"due,omitzero"`     // the slot
	At     time.Time      `json:"at,omitzero"`      // when it was recorded or seen
	Reason fault.Reason   `json:"reason,omitempty"` // of a gap
	Detail string         `json:"detail,omitempty"` // of a gap or a refused configuration: what was met
	Counts map[string]int `json:"counts,omitempty"` // of findings: how many of each kind; none = all is well again
}

// key tells packs apart.
func (e Event) key() string { return e.Source + "/" + e.Pack }

// slot tells slots of one pack apart.
func (e Event) slot() string { return e.Due.UTC().Format(evidence.DueFormat) }

// Channel is one place that messages go to. Its methods may be called from
// many goroutines.
type Channel interface {
	// Send delivers one message, in one try. Errors are classified: what is
	// transient is tried again, as is what a person can mend (credentials, an
	// address that is gone); with any other the message itself was refused, and
	// is given up. No error holds the channel's address or secret.
	Send(ctx context.Context, m Message) error

	// Traits returns what the channel can take. They never change.
	Traits() Traits
}

// Traits are what a channel can take.
type Traits struct {
	PerMinute int           // how many messages within any minute, as its vendor says
	Pulse     time.Duration // if positive, the channel is told of no event, but this often whether packseal works
}

// Opener is a channel's entry in the configuration.
type Opener interface {
	// Check returns what is wrong with the entry, without the network.
	Check() []fault.Problem
	// Open makes the channel, without the network.
	Open(Env) (Channel, error)
}

// Env is what channels are opened with.
type Env struct {
	UserAgent string
	Transport http.RoundTripper // nil = one with bounded times and TLS 1.2 or later
}
