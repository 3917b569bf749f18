package fetcher

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Source generates reports. Its errors are classified (see package fault) and
// contain neither links nor credentials. Methods are safe for concurrent use;
// they retry only what the protocol of the source demands.
type Source interface {
	// Generate requests a report, and returns what Lookup needs to tell that
	// report from older ones. It is idempotent for the same slot and attempt, as
	// far as the source allows: see [Order.Sending]. After an error, nothing was
	// requested.
	Generate(ctx context.Context, o Order) (Ticket, error)

	// Lookup returns a link to the requested report, newly signed as far as
	// the source allows. While the report is being generated, the error is
	// fault.NotReady. It is ErrStale as well if the source only has a report
	// that is too old for the ticket, and is not generating another. It is
	// ErrFailed if the source could not generate the report of this ticket.
	Lookup(ctx context.Context, t Ticket) (Link, error)
}

// Order is what a source is asked for.
type Order struct {
	Slot    evidence.Slot
	Attempt int // counts from 0: another attempt requests another report

	// After is when rules were evaluated for the report, by the source's clock: one
	// that somebody else requested is not the slot's if it was made before. Zero if
	// they were not.
	After time.Time

	// Sending is called with the ticket right before a request that the source
	// would take for another one if it were repeated. It saves the ticket: after
	// a crash, and when the answer is lost, the source is asked whether there is
	// a report before another is requested. An error ends Generate.
	Sending func(Ticket) error
}

// Lister is a Source that says which packs it has. Its methods may need permissions
// that Source does without.
type Lister interface {
	// Packs yields the packs of the account or, if aggregator is not empty, of that
	// account group. It stops at the first error. A pack that moves within the
	// listing while that is read may be missing: that one listing lacks a pack does
	// not mean that it is gone.
	Packs(ctx context.Context, aggregator string) iter.Seq2[PackInfo, error]

	// Aggregators yields the account groups of the account. It stops at the first
	// error.
	Aggregators(ctx context.Context) iter.Seq2[AggregatorInfo, error]

	// Templates yields the report templates of the account, of which only ID and Name
	// are known. It stops at the first error.
	Templates(ctx context.Context) iter.Seq2[PackInfo, error]

	// Gone reports whether the source says that there is no such pack, or no such
	// account group. Any other error is returned.
	Gone(ctx context.Context, p evidence.PackRef) (bool, error)
}

// PackInfo is a compliance pack or a report template in a listing. Except for ID, texts are on one line, and without
// control characters.
type PackInfo struct {
	ID         string            `json:"id"`                   // "cp-…" or "crt-…", as the source writes it
	Aggregator string            `json:"aggregator,omitempty"` // the account group that was listed, or empty
	Account    string            `json:"account,omitempty"`    // the ID of the account it belongs to
	Name       string            `json:"name,omitempty"`       // the display name
	Status     string            `json:"status,omitempty"`     // ACTIVE, CREATING, INACTIVE or what was added later
	Template   string            `json:"template,omitempty"`   // the ID of the template it was made from, "ct-…", or empty
	Risk       int               `json:"risk,omitempty"`       // 1 high, 2 medium, 3 low; 0 unknown
	Tags       map[string]string `json:"tags,omitempty"`
	Created    time.Time         `json:"created,omitzero"`
}

// Ref returns the pack as one of that source.
func (p PackInfo) Ref(source string) evidence.PackRef {
	return evidence.PackRef{Source: source, ID: p.ID, Aggregator: p.Aggregator}
}

// AggregatorInfo is an account group in a listing.
type AggregatorInfo struct {
	ID       string // "ca-…", as the source writes it
	Name     string
	Creating bool // it can't be used yet
}

// Directory is a Source whose credentials may list the member accounts of a Resource
// Directory. It needs a permission that Source does without.
type Directory interface {
	// Accounts yields the member accounts of the Resource Directory whose API has that
	// endpoint. It stops at the first error. An account that is deleted or moves while
	// the listing is read may hide another one.
	Accounts(ctx context.Context, endpoint string) iter.Seq2[AccountInfo, error]
}

// AccountInfo is a member account in a listing. Texts are on one line, and without
// control characters.
type AccountInfo struct {
	ID       string            `json:"id"`                 // digits, as the source writes them
	Name     string            `json:"name,omitempty"`     // the display name
	Status   string            `json:"status,omitempty"`   // CreateSuccess, InviteSuccess, PromoteSuccess, CreateVerifying or what was added later
	Deletion string            `json:"deletion,omitempty"` // Checking, Deleting, CheckFailed, DeleteFailed or what was added later; empty = nobody deletes it
	Path     string            `json:"path,omitempty"`     // the IDs of directory, root and folders above it and its own, with slashes between them
	Folder   string            `json:"folder,omitempty"`   // the ID of the folder that it is in
	Tags     map[string]string `json:"tags,omitempty"`
}

// Leaving reports whether the account is being deleted. One whose deletion has failed
// stays.
func (a AccountInfo) Leaving() bool {
	return a.Deletion != "" && !strings.HasSuffix(a.Deletion, "Failed")
}

// Joined reports whether the account is there: not while it is created or invited.
func (a AccountInfo) Joined() bool { return strings.HasSuffix(a.Status, "Success") }

// Ticket is a requested report. It is kept in the spool, so that a restarted
// process waits for the same report.
type Ticket struct {
	Slot       evidence.Slot `json:"slot"`
	Attempt    int           `json:"attempt"`
	Requested  time.Time     `json:"requested"`             // by the local clock
	Baseline   time.Time     `json:"baseline,omitzero"`     // creation time of the previous report, by the source's clock; zero if there was none
	After      time.Time     `json:"after,omitzero"`        // of the order
	Previous   string        `json:"previous,omitempty"`    // the previous report's ID, from sources whose reports have one and that do not say which one a request makes
	ReportID   string        `json:"report_id,omitempty"`   // the report's ID, where the source names it
	Failures   int           `json:"failures,omitempty"`    // how many reports that were requested for the slot the source could not generate
	Attached   bool          `json:"attached"`              // the report was already being generated, or had been since the slot fell due: we did not request it
	RequestIDs []string      `json:"request_ids,omitempty"` // the source's IDs of the API calls, for its support
}

// Fresh reports whether a report created at that time, by the source's clock,
// can be sealed for the slot: it is newer than the baseline and, if we did not
// request it ourselves, was created after the slot fell due, and after its rules
// were evaluated.
func (t Ticket) Fresh(created time.Time) bool {
	return created.After(t.Baseline) && (!t.Attached || !created.Before(t.Slot.Due) && !created.Before(t.After))
}

// ErrStale is the error of Lookup (by errors.Is) while the source only has a
// report that is too old for the ticket, and is not generating another.
var ErrStale = errors.New("the source has only an older report")

// ErrFailed is the error of Lookup (by errors.Is) if the source tried to generate
// the report of the ticket, and gave up.
var ErrFailed = errors.New("the source could not generate the report")

// Opener is the configuration of a source; each kind of source implements it in
// addition to [Source].
type Opener interface {
	// Check returns all problems of the configuration, without accessing the
	// source.
	Check() []fault.Problem
	// Open returns the source. It does not access it yet.
	Open(Env) (Source, error)
	// Bounds returns the limits on the source's reports.
	Bounds() Bounds
}

// Env is what a source gets from its environment.
type Env struct {
	Registerer prometheus.Registerer // for the source's metrics, labelled with its name; nil registers nothing
	Logger     *slog.Logger          // required
	UserAgent  string                // "packseal/<version>"

	// Old is the source that this one takes the place of, or nil. What it has learnt
	// of the limits of its API still holds.
	Old Source

	// Parent is the source whose credentials assume the role of this one's, which is
	// that of a member account; nil = they stand for themselves.
	Parent Source

	// Share returns the current share of this process in the source's rate,
	// more than 0, up to 1; nil means all of it.
	Share func() float64
}

// Bounds are the limits of a source, with defaults applied.
type Bounds struct {
	RequestsPerSecond float64  // calls of the API, over all replicas
	MaxInFlight       int      // reports that are generated at once, over all replicas
	LinkHosts         []string // hosts that links may point to; "*.example.com" for a whole domain
	LinkNetworks      []string // special networks (CIDR) that these hosts may be in: loopback, link-local and the like
	AllowHTTP         bool     // permit http links to hosts that are not loopback addresses
	CAFile            string   // PEM certificates to trust in addition to the system's, or empty
}
