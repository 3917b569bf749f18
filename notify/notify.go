// Package notify sends notices to people: of gaps, of packs that are overdue or
// have recovered, of what verification found, of a configuration that could not
// be loaded, and, in a digest, of the state of all packs.
//
// [Notices] accepts events and never blocks its caller: an event is kept in
// memory, and the rest (grouping, rate limits, sending, retries) happens in
// goroutines of [Notices.Run]. What a channel was sent is kept in a notification
// log, a small file, so that no restart sends it twice. What it was not sent,
// because the daemon was not running or the channel was down, follows from the
// archive when its records are read at the next start. Without the file, only what
// happens from now on is sent.
//
// A channel is a package below this one and a field in config.Notice.
package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Kind is the kind of an event.
type Kind string

// The kinds of events.
const (
	Gap          Kind = "gap"           // a slot ended without a report
	Blocked      Kind = "blocked"       // a slot waits until an administrator removes the cause, such as credentials that are refused
	Overdue      Kind = "overdue"       // a slot is past its timeout and not settled
	Recovered    Kind = "recovered"     // a pack with a gap, an overdue or a blocked slot has a sealed report again
	Problems     Kind = "findings"      // the result of verification has changed
	ReloadFailed Kind = "reload_failed" // a new configuration was refused
	NewContainer Kind = "container"     // a report came in another container than the one before
	NotKept      Kind = "not_kept"      // a source has a pack whose reports nobody asked to be kept
	Found        Kind = "found"         // a pack was discovered, and is kept from its next slot on
	Gone         Kind = "gone"          // a pack that is kept does not exist any more
	NotListed    Kind = "not_listed"    // the packs of a source can't be listed until an administrator removes the cause
	DigestDue    Kind = "digest"        // a digest is due
)

// Kinds returns all kinds, the most important ones first.
func Kinds() []Kind {
	return []Kind{Gap, Blocked, Problems, Overdue, ReloadFailed, NotListed, NotKept, Gone, NewContainer, Recovered, Found, DigestDue}
}

// perReplica reports whether events of the kind come from one replica (the file that
// it loads, the archive that it verifies, what it sealed or listed). It sends them
// whether it leads or not.
func (k Kind) perReplica() bool { return k.ofAll() || k.listed() }

// ofAll reports whether events of the kind concern packseal as a whole.
func (k Kind) ofAll() bool { return k == Problems || k == ReloadFailed || k == NewContainer }

// listed reports whether events of the kind come from a listing of packs.
func (k Kind) listed() bool { return k == NotKept || k == Found || k == Gone || k == NotListed }

// Event is one thing that happened.
type Event struct {
	Kind   Kind              `json:"kind"`
	Source string            `json:"source,omitempty"`    // of a pack: its source's name; of what is not listed: the source
	Pack   string            `json:"pack,omitempty"`      // its key
	Name   string            `json:"name,omitempty"`      // its display name; of what is not listed: that of the account, if the source is one of many
	Labels map[string]string `json:"labels,omitempty"`    // its labels
	Zone   string            `json:"time_zone,omitempty"` // its schedule's zone, an IANA name; empty = UTC
	Due    time.Time         `json:"due,omitzero"`        // the slot's
	At     time.Time         `json:"at,omitzero"`         // when it was recorded or noticed
	Reason fault.Reason      `json:"reason,omitempty"`    // of a gap, a blocked slot or what is not listed
	Detail string            `json:"detail,omitempty"`    // of those or a refused configuration: the error; of a container: what it is, and was before
	Hint   string            `json:"hint,omitempty"`      // of a blocked slot or what is not listed: what to do
	Until  time.Time         `json:"until,omitzero"`      // of a blocked slot: when it becomes a gap
	Counts map[string]int    `json:"counts,omitempty"`    // of problems: how many of each kind; none = there are none any more
}

// pack identifies the event's pack, or the source if it is of no pack.
func (e Event) pack() string { return strings.TrimSuffix(e.Source+"/"+e.Pack, "/") }

// cause identifies what blocks a slot: packs of one source that lack the same
// permission have the same cause.
func (e Event) cause() string {
	id := evidence.Ref(e.Source, e.Pack).ID
	sum := sha256.Sum256([]byte(e.Source + "\n" + strings.ReplaceAll(e.Hint, id, "")))
	return string(e.Reason) + " " + hex.EncodeToString(sum[:8])
}

// reasonAlone is why a source is not listed: of many accounts, each names its role.
func (e Event) reasonAlone() string { return string(e.Reason) }

// slot identifies the event's slot among those of its pack.
func (e Event) slot() string { return e.Due.UTC().Format(evidence.DueFormat) }

// Channel is a destination of messages. Its methods may be called from several
// goroutines.
type Channel interface {
	// Send delivers one message, in one attempt. Errors are classified: transient
	// ones are retried, and so are those that an administrator can fix
	// (credentials, an address that no longer exists); with any other, the message
	// itself was refused, and is discarded. No error contains the channel's address
	// or secret.
	Send(ctx context.Context, m Message) error

	// Traits returns what the channel supports. They never change.
	Traits() Traits
}

// Traits are what a channel supports.
type Traits struct {
	PerMinute int           // messages within any minute, by its vendor's limit
	Events    int           // events in one message, at most; 0 = no bound of the vendor's
	Incidents bool          // it raises and resolves incidents, so that it gets digests only when asked for
	Heartbeat time.Duration // if positive, the channel gets no events, but at this interval whether packseal works
}

// Opener is a channel's entry in the configuration.
type Opener interface {
	// Check returns what is wrong with the entry, without using the network.
	Check() []fault.Problem
	// Open makes the channel, without using the network.
	Open(Env) (Channel, error)
}

// Env is what channels are opened with.
type Env struct {
	UserAgent string
	Transport http.RoundTripper // nil = one of package egress
}
