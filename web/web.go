// Package web serves the page for people, the JSON for scripts, and the
// endpoints that Prometheus, load balancers and service managers poll.
package web

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// The states of a pack.
const (
	StateSealed   = "sealed"   // its latest slot is sealed
	StateGap      = "gap"      // its latest slot is a gap
	StateWorking  = "working"  // a slot is in progress
	StateOverdue  = "overdue"  // its latest slot is past its time limit and not settled
	StateWaiting  = "waiting"  // no slot has been due yet
	StateReading  = "reading"  // its history is being read, and nothing is known yet
	StateEnded    = "ended"    // its until has come, and its last slot is no gap of the last 7 days
	StateDisabled = "disabled" // the configuration has it with enabled: false
)

// Pack is one pack as the page and /api/v1/packs show it.
type Pack struct {
	Source     string            `json:"source"`
	Key        string            `json:"pack"` // "cp-…", "ca-…/cp-…" and so on, see evidence.PackRef
	Name       string            `json:"name,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Schedule   string            `json:"schedule"`
	TimeZone   string            `json:"time_zone"`
	Sinks      []string          `json:"sinks,omitempty"` // the names of those that keep its reports; none = all
	State      string            `json:"state"`           // one of the states above
	LastDue    time.Time         `json:"last_due,omitzero"`
	LastSealed time.Time         `json:"last_sealed,omitzero"`
	NextDue    time.Time         `json:"next_due,omitzero"`
	Until      time.Time         `json:"until,omitzero"` // nothing falls due after that; zero = no bound
	*Counts                      // nil until the pack's whole history has been read: absent rather than too low
	LastGap    time.Time         `json:"last_gap,omitzero"` // the due time of the latest gap
	LastReason fault.Reason      `json:"last_gap_reason,omitempty"`
	LastObject string            `json:"last_object,omitempty"` // the latest report's key
	LastSHA256 string            `json:"last_sha256,omitempty"`
	LastSize   int64             `json:"last_size,omitempty"` // bytes
	Trouble    string            `json:"trouble,omitempty"`   // why the last attempt at the slot in progress failed, or empty
	Paused     *Pause            `json:"paused,omitempty"`    // nil if it is not paused
}

// kind returns the kind of the pack's reports, as manifests name it.
func (p Pack) kind() string { return evidence.Ref(p.Source, p.Key).Kind() }

// Counts are the settled slots of a pack.
type Counts struct {
	Sealed int `json:"sealed_slots"`
	Gaps   int `json:"gap_slots"`
}

// Pause says since when, until when, by whom and why no work is begun on a pack.
type Pause struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // when it ends by itself; zero = not before it is resumed
	By    string    `json:"by"`
	Why   string    `json:"why"`
}

// Query selects settled slots of one pack.
type Query struct {
	Source, Pack string
	From, To     time.Time      // due at From or later, and before To; zero = unbounded
	State        evidence.State // "" = both
	Limit        int            // the most records to yield
}

// Options are what the server needs. Required fields are marked.
type Options struct {
	Logger   *slog.Logger        // required
	Gatherer prometheus.Gatherer // required; what /metrics shows

	// Packs returns the current state of all packs, in a stable order. Required.
	Packs func() []Pack
	// Records yields the records that the query selects, the newest first.
	// Required.
	Records func(context.Context, Query) iter.Seq2[evidence.Record, error]
	// GapAcks returns what finds the acknowledgement of a gap that is in force; nil =
	// there is none. It is called for the gaps of a pack, the newest first. Required.
	GapAcks func() func(context.Context, evidence.Slot) (*evidence.Ack, error)
	// Status returns what is known of that which all packs share. Required.
	Status func() Status
	// Ready returns nil when the daemon does its work, or why it does not.
	// Required.
	Ready func() error
	// Ledger says how the ledger is; nil, or nil returned: there is none.
	Ledger func() *evidence.LedgerStatus
	// Statement returns the statement of a period as a page; nil: there is none. Its
	// error is fault.Request for a period that is none.
	Statement func(context.Context, StatementQuery) (StatementPage, error)
	// Reload reloads the configuration. nil: /-/reload answers 403.
	Reload func() error

	Version string // shown on the page
}
