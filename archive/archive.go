package archive

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"packseal.example/fetcher"
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
	Spool *fetcher.Spool // required to seal, not to read
	// Fetch gets a slot's report into the spool entry. Required to seal.
	Fetch func(ctx context.Context, e *fetcher.Entry, p fetcher.Pack, due time.Time) (fetcher.Report, error)

	// Settled is told of each slot of Packs that ends here, and of those that
	// [Archive.History] reads back: gaps, and the latest that is sealed. It is
	// called outside of locks, and must not block. May be nil.
	Settled func(Record)

	Packs      []fetcher.Pack // whose metrics and status are kept
	Tool       string         // "packseal/<version>", for the records
	Logger     *slog.Logger   // required
	Registerer prometheus.Registerer
	Tracer     trace.Tracer // for a trace of each try of a slot; nil = none
}

// Archive keeps the evidence in every sink. Its methods may be called from
// many goroutines, and from several processes on the same sinks.
type Archive struct {
	Options
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
	a := &Archive{Options: o, metrics: newMetrics(o.Registerer, o.Packs), status: make(map[packID]*tally), delivering: make(chan struct{}, deliveries), gaps: make(map[scheduler.Slot]bool)}
	for _, p := range o.Packs {
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

// tally is a pack's status on its way from nothing known to what the sinks
// hold. Slots can end before the sinks have been listed: those are kept, so
// that each is counted once when the list is there.
type tally struct {
	Status
	loaded bool
	early  []Record // until loaded
}

// update changes a pack's status, if it is one of the configured ones.
func (a *Archive) update(s scheduler.Slot, change func(*Status)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.status[packID{s.Source, s.Pack}]; t != nil {
		change(&t.Status)
	}
}

// settled counts a slot that this archiver has just ended, unless it was read
// back from the sinks, where it was a moment before it is counted here.
func (a *Archive) settled(r Record) {
	a.count(r, func(t *tally) bool {
		return r.State == Sealed && t.LastSealed.Slot != r.Slot || r.State == Gapped && t.LastGap.Slot != r.Slot
	})
}

// takeUp counts a slot that is found settled, by another replica or by hand.
// One that is no newer than what is counted is counted already.
func (a *Archive) takeUp(r Record) {
	a.count(r, func(t *tally) bool { return r.Due.After(t.LastSealed.Due) && r.Due.After(t.LastGap.Due) })
}

// count counts a slot of a configured pack, if that is wanted, and tells of it.
func (a *Archive) count(r Record, wanted func(*tally) bool) {
	if a.counted(r, wanted) {
		a.tell(r)
	}
}

// counted counts the slot, and reports whether it did.
func (a *Archive) counted(r Record, wanted func(*tally) bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.status[packID{r.Source, r.Pack}]
	if t == nil || !wanted(t) {
		return false
	}
	if t.add(r); !t.loaded {
		t.early = append(t.early, r)
	}
	a.metrics.settled(r, t.Status)
	return true
}

// tell hands a record to whoever wants it.
func (a *Archive) tell(r Record) {
	if a.Settled != nil {
		a.Settled(r)
	}
}

// add counts a record.
func (st *Status) add(r Record) {
	last, n := &st.LastSealed, &st.Sealed
	if r.State == Gapped {
		last, n = &st.LastGap, &st.Gaps
	}
	*n++
	if r.Due.After(last.Due) {
		*last = r
	}
}
