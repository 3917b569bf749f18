// Package fetcher turns a pack and a due time into a checked report on disk.
//
// A [Source] makes reports and hands out links to them; the [Fetcher] drives
// it, downloads what the link points to into the [Spool], and checks it.
package fetcher

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Source makes reports. Its errors are classified (see internal/fault) and
// carry neither a link nor a credential. Methods may be called from many
// goroutines; they retry nothing but what the protocol itself asks for.
type Source interface {
	// Generate asks for the slot's report, and returns what Lookup needs to
	// tell that report from older ones. The attempt, from 0, sets a repeated
	// request for the same slot apart; the same slot and attempt ask for the
	// same report, however often.
	Generate(ctx context.Context, s evidence.Slot, attempt int) (Ticket, error)

	// Lookup returns a fresh link to the report that the ticket stands for:
	// signed just now, as far as the source allows. While the report is being
	// made it fails with fault.NotReady. When the source has nothing but a
	// report that is too old for the ticket and makes no other, it fails with
	// an error that is ErrStale and fault.NotReady.
	Lookup(ctx context.Context, t Ticket) (Link, error)
}

// Ticket is a report that was asked for. It is kept in the spool, so that a
// restart goes on waiting for the same report.
type Ticket struct {
	Slot       evidence.Slot `json:"slot"`
	Attempt    int           `json:"attempt"`
	Requested  time.Time     `json:"requested"`             // by the local clock
	Baseline   time.Time     `json:"baseline,omitzero"`     // creation time of the report that stood there before, by the source's clock; zero = none
	Attached   bool          `json:"attached"`              // the report was being made already, or stood there made since it fell due: not asked for by us
	RequestIDs []string      `json:"request_ids,omitempty"` // the source's IDs of the calls made, for its support
}

// Fresh reports whether a report created at that time, by the source's clock,
// may be sealed for the ticket's slot: it is newer than the baseline, and a
// report that we did not ask for ourselves was made after the slot fell due.
func (t Ticket) Fresh(created time.Time) bool {
	return created.After(t.Baseline) && (!t.Attached || !created.Before(t.Slot.Due))
}

// Link is where a finished report can be fetched, for a while.
type Link struct {
	URL       SecretURL
	Created   time.Time // when the report was made, by the source's clock
	Account   string    // the account ID the source names, or empty
	Served    time.Time // the source's own clock when it returned the link (its Date header), or zero when it did not say
	RequestID string    // of the call that returned the link
}

// SecretURL is a signed link: whoever has it can read the report. It prints
// as its scheme, host and path alone.
type SecretURL string

// Reveal returns the whole link. Only the request for it may use this.
func (u SecretURL) Reveal() string { return string(u) }

// String returns the link without its query, user and fragment.
func (u SecretURL) String() string {
	p, err := url.Parse(string(u))
	if err != nil {
		return "(unreadable link)"
	}
	p.User, p.RawQuery, p.ForceQuery, p.Fragment, p.RawFragment = nil, "", false, "", ""
	return strings.TrimSuffix(p.String(), "?")
}

// GoString returns String, quoted.
func (u SecretURL) GoString() string { return "fetcher.SecretURL(" + u.String() + ")" }

// LogValue redacts the link in logs.
func (u SecretURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText redacts the link in JSON and text encodings.
func (u SecretURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// ErrStale is what Lookup's error is (by errors.Is) while the source offers
// only a report that the ticket must not accept, and is not making another.
var ErrStale = errors.New("only an older report stands there")

// Opener is a source's entry in the configuration: what a new kind of source
// implements beside [Source].
type Opener interface {
	// Check returns everything that is wrong with the entry, without asking
	// the source.
	Check() []fault.Problem
	// Open makes the source. It does not ask the source anything yet.
	Open(Env) (Source, error)
	// Bounds returns what holds for the source's reports.
	Bounds() Bounds
}

// Env is what Open gives a source to work with.
type Env struct {
	Registerer prometheus.Registerer // for the source's own metrics, with its name as label already; nil = none
	Logger     *slog.Logger          // required
	UserAgent  string                // "packseal/<version>"

	// Share returns how much of the source's rate is this process's at the
	// moment, from 0 to 1, where others call the source too; nil = all of it.
	Share func() float64
}

// Bounds are a source's limits, with its defaults applied.
type Bounds struct {
	MaxInFlight  int      // reports in the making at once, in all replicas together
	LinkHosts    []string // hosts a link may point to; "*.example.com" for a whole domain
	LinkNetworks []string // networks (CIDR) that these hosts may be in although no store is there: loopback, link-local and the like
	AllowHTTP    bool     // links may be http to hosts that are not loopback addresses
	CAFile       string   // certificates to trust besides the system's, or empty
}
