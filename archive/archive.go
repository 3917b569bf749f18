// Package archive is the evidence record: which reports are sealed, which slots
// are gaps, and whether what is kept is still what was sealed.
//
// The sinks are the truth, and the only one: no database decides what has been
// archived (package catalog remembers it, and can be thrown away). A slot is
// settled in this order. Wherever a crash or a loss of power interrupts it, what
// is there is enough to continue:
//
//	spool: ticket      the report is asked for; a restart waits for the same one
//	spool: body        complete and checked; a restart does not fetch it again
//	spool: draft       the manifest; a restart writes the very same bytes
//	ledger: owed       its entry, where there is a ledger (see [Ledger])
//	sink:  report      under a name that follows from its bytes
//	sink:  manifest    the commit: from here on the slot is sealed
//	spool: removed     when every sink has both
//
// A report without a manifest is therefore a leftover, which the next attempt
// completes or [Archive.Verify] finds. A manifest without its report can't
// happen by itself.
//
// Two archivers that work on one slot, in two replicas or by hand beside a
// daemon, meet at the manifest: its key is the same for both, and the sink takes
// one. The other reads that one back and adopts it.
package archive

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"packseal.example/archive/catalog"
	"packseal.example/archive/ledger/tree"
	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/sink"
)

// Target is a sink under its name.
type Target struct {
	Name string
	sink.Sink
}

// Options are what an Archive needs. Required fields are marked.
type Options struct {
	Sinks []Target       // required; the first is the one that decides
	Spool *fetcher.Spool // required to seal and to record gaps, not to read
	// Spooled returns the report of a slot that waits in a spool, for [Archive.Verify].
	// Default: that of Spool.
	Spooled func(evidence.Slot) (fetcher.Report, bool)
	// Fetch gets a slot's report into the spool entry. Required to seal.
	Fetch func(ctx context.Context, e *fetcher.Entry, s evidence.Slot) (fetcher.Report, error)

	// Keep returns the names of the sinks that are to keep a pack's reports and gaps,
	// the first sink among them; nil = all. Plans and acknowledgements are in every sink.
	// May be nil.
	Keep func(context.Context, evidence.PackRef) []string

	Packs []evidence.Pack // that are configured: whose names and labels manifests have, and whose spool entries are kept
	// Within is how long after it fell due a pack's slot is settled at the latest,
	// for Verify. Default: a day.
	Within map[evidence.PackRef]time.Duration
	Tool   string       // "packseal/<version>", for the records
	Logger *slog.Logger // required

	// Identity tells this archive from one in other sinks, for whoever keeps what
	// is derived from it. It must hold no secret. Default: the sinks' names.
	Identity string

	// Observers are told of each slot that is settled here (Local), and of those
	// that are found to be settled already, perhaps again. A sink has the record
	// by then. They are called outside of locks, and must not block.
	Observers []func(catalog.Event)
	// Attempt is told how the slots that are being worked on get on. It must not
	// block. May be nil.
	Attempt func(catalog.Attempt)
	// NewContainer is told of a report that was sealed here in another container
	// than the pack's report before, and what the two are. It must not block. May
	// be nil.
	NewContainer func(m evidence.Manifest, detail string)
	// Blocked is told of each attempt at a slot that failed for a reason which an
	// administrator has to remove, and until when the slot waits for that (zero: for
	// ever). It must not block. May be nil.
	Blocked func(s evidence.Slot, err error, until time.Time)
	// Seen yields what was seen in the archive before, for [Archive.Verify] to
	// find what has vanished. May be nil.
	Seen func(context.Context) iter.Seq2[catalog.Listed, error]

	// Pruned returns which reports were removed after their retention, as the ledger
	// says: their SHA-256, in hex, by their keys. It is asked often, and must not be
	// slow. May be nil.
	Pruned func(context.Context) (map[string]string, error)

	// Ledger gets an entry for each manifest, gap record and plan that is written
	// here. May be nil.
	Ledger Ledger
	// Entries yields the ledger's entries, checked against its signed tip; an error
	// ends them. [Archive.Verify] holds the records against them, and [Archive.Repair]
	// copies only what they vouch for. nil = there is no ledger, and manifests alone do.
	Entries Entries
	// LoggedPlans returns the keys of the plans that the ledger has entries of, as it is now, for
	// [Archive.Plans]. nil = what the ledger has is not known here, or there is none.
	LoggedPlans func(context.Context) (map[string]bool, error)
	// Inspect returns what is wrong with the ledger itself, for [Archive.Verify], and the
	// entries of the ledger that it has looked at. May be nil.
	Inspect func(context.Context) ([]Problem, Entries, error)
	// LogWithin is how long after it was written a record may be without an entry in the
	// ledger, for Verify. Default: 20 minutes.
	LogWithin time.Duration

	Metrics *Metrics     // nil = none
	Tracer  trace.Tracer // for a trace of each attempt at a slot; nil = none
}

// Archive keeps the evidence in every sink. Its methods may be called from many
// goroutines, and from several processes on the same sinks.
type Archive struct {
	Options
	*reader
	packs      map[evidence.PackRef]evidence.Pack
	delivering chan struct{} // one for each report on its way into the sinks
	containers sync.Map      // that packs' reports were seen in

	mu       sync.Mutex
	troubles map[evidence.Slot]trouble // by the pack's slots without a due time
}

// New makes an Archive.
func New(o Options) (*Archive, error) {
	if len(o.Sinks) == 0 || o.Logger == nil {
		return nil, errors.New("archive: Sinks and Logger are required")
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.Spooled == nil && o.Spool != nil {
		o.Spooled = o.Spool.Report
	}
	a := &Archive{
		Options: o, reader: newReader(o),
		packs:      make(map[evidence.PackRef]evidence.Pack, len(o.Packs)),
		delivering: make(chan struct{}, deliveries), troubles: make(map[evidence.Slot]trouble),
	}
	for _, t := range o.Sinks {
		o.Metrics.repaired.WithLabelValues(t.Name)
	}
	for _, p := range o.Packs {
		a.packs[p.PackRef] = p
		o.Metrics.watch(p.Source)
	}
	return a, nil
}

// Identity names the archive: [Options].Identity.
func (a *Archive) Identity() string {
	names := make([]string, len(a.Sinks))
	for i, t := range a.Sinks {
		names[i] = t.Name
	}
	return cmp.Or(a.Options.Identity, strings.Join(names, "\n"))
}

// Ledger is the signed record of what was written, as package ledger keeps it.
type Ledger interface {
	// Log makes an entry durable, then calls put, which stores what it is of, and
	// returns its error. If that is fault.Conflict, something else is stored there
	// and the entry is dropped. If the entry can't be made durable, put is not
	// called.
	Log(e tree.Entry, put func() error) error
}

// log has the ledger, if there is one, log a record that put stores under key.
func (a *Archive) log(key string, raw []byte, put func() error) error {
	if a.Ledger == nil {
		return put()
	}
	return a.Ledger.Log(tree.Of(key, raw), put)
}

// Drain brings what a sink lacks to it, now and whenever it is back, until ctx
// ends: the reports that wait in the spool, and gap records. It also removes
// from the spool what nobody will come back for.
func (a *Archive) Drain(ctx context.Context) error { return (&drainer{a}).run(ctx) }
