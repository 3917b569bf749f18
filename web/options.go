// Package web is the page that people look at, the JSON that scripts read,
// and what Prometheus, load balancers and service managers ask.
package web

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/archive"
	"packseal.example/internal/fault"
)

// Pack is one pack as the page and /api/v1/packs show it.
type Pack struct {
	Source      string       `json:"source"`
	Key         string       `json:"pack"` // "cp-…" or "ca-…/cp-…"
	Name        string       `json:"name,omitempty"`
	Schedule    string       `json:"schedule"`
	TimeZone    string       `json:"time_zone"`
	State       string       `json:"state"` // "sealed", "gap", "working", "overdue" or "waiting" (nothing due yet)
	LastDue     time.Time    `json:"last_due,omitzero"`
	LastSealed  time.Time    `json:"last_sealed,omitzero"`
	NextDue     time.Time    `json:"next_due,omitzero"`
	SealedCount int          `json:"sealed_slots"`
	GapCount    int          `json:"gap_slots"`
	LastGap     time.Time    `json:"last_gap,omitzero"` // the due time of the latest gap
	LastReason  fault.Reason `json:"last_gap_reason,omitempty"`
	LastObject  string       `json:"last_object,omitempty"` // the latest report's key
	LastSHA256  string       `json:"last_sha256,omitempty"`
	LastSize    int64        `json:"last_size,omitempty"` // bytes
	Trouble     string       `json:"trouble,omitempty"`   // what the last try of the slot at work met, or empty
	Paused      *Pause       `json:"paused,omitempty"`    // nil: it is not paused
}

// Pause says since when no work is begun on a pack.
type Pause struct {
	Since time.Time `json:"since"`
	By    string    `json:"by"`
	Why   string    `json:"why"`
}

// Options are what the server needs. Required fields are marked.
type Options struct {
	Logger   *slog.Logger        // required
	Gatherer prometheus.Gatherer // required; what /metrics shows

	// Packs returns all packs as they stand, in a stable order. Required.
	Packs func() []Pack
	// Slots yields the settled slots of one pack, the newest first. Required.
	Slots func(ctx context.Context, source, pack string) iter.Seq2[archive.Record, error]
	// Ready returns nil when the daemon does its work, or why not. Required.
	Ready func() error
	// Reload loads the configuration anew. nil: /-/reload answers 403.
	Reload func() error

	Version string // shown on the page
}
