package archive

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/scheduler"
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
	// Fetch gets a slot's report into the spool entry. Required to seal.
	Fetch func(ctx context.Context, e *fetcher.Entry, s evidence.Slot) (fetcher.Report, error)

	// Settled is told of each slot of Packs that ends, here or elsewhere, and of
	// those that [Archive.History] reads back: gaps, and the latest that is
	// sealed. It is called outside of locks, and must not block. May be nil.
	Settled func(Record)

	// Announce tells other replicas of a slot that ended here; theirs call
	// [Archive.Heard]. It must not block, and may get lost. May be nil.
	Announce func(News)

	Packs      []evidence.Pack // whose metrics and status are kept
	Tool       string          // "packseal/<version>", for the records
	Logger     *slog.Logger    // required
	Registerer prometheus.Registerer
	Tracer     trace.Tracer // for a trace of each try of a slot; nil = none
}

// Archive keeps the evidence in every sink. Its methods may be called from
// many goroutines, and from several processes on the same sinks.
type Archive struct {
	Options
	packs      map[evidence.PackRef]evidence.Pack
	metrics    *metrics
	delivering chan struct{} // one for each report on its way into the sinks

	mu     sync.Mutex
	status map[packID]*tally
	gaps   map[scheduler.Slot]bool // whose records a sink may lack
}

// packID names a pack of a source.
type packID struct{ source, pack string }

// New makes an Archive.
func New(o Options) (*Archive, error) {
	if len(o.Sinks) == 0 || o.Logger == nil {
		return nil, errors.New("archive: Sinks and Logger are required")
	}
	a := &Archive{Options: o, metrics: newMetrics(o.Registerer, o.Packs), packs: make(map[evidence.PackRef]evidence.Pack), status: make(map[packID]*tally), delivering: make(chan struct{}, deliveries), gaps: make(map[scheduler.Slot]bool)}
	for _, p := range o.Packs {
		a.packs[p.PackRef] = p
		a.status[packID{p.Source, p.Key()}] = new(tally)
	}
	return a, nil
}

// Status is what is known of a pack's slots without asking the sinks.
type Status struct {
	Sealed, Gaps int    // slots
	LastSealed   Record // zero = none
	LastGap      Record // zero = none
	Working      bool   // a slot is at work
	Trouble      string // what the last try of that slot met, or empty
}

// Status returns what is known of a pack.
func (a *Archive) Status(source, pack string) Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.status[packID{source, pack}]; s != nil {
		return s.Status
	}
	return Status{}
}

// update changes a pack's status, if it is one of the configured ones.
func (a *Archive) update(s scheduler.Slot, change func(*Status)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.status[packID{s.Source, s.Pack}]; t != nil {
		change(&t.Status)
	}
}

// tell hands a record to whoever wants it.
func (a *Archive) tell(r Record) {
	if a.Settled != nil {
		a.Settled(r)
	}
}
