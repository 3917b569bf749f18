package archive

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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

	Packs      []fetcher.Pack // whose metrics and status are kept
	Tool       string         // "packseal/<version>", for the records
	Logger     *slog.Logger   // required
	Registerer prometheus.Registerer
}

// Archive keeps the evidence in every sink. Its methods may be called from
// many goroutines, and from several processes on the same sinks.
type Archive struct {
	Options
	metrics *metrics

	mu     sync.Mutex
	status map[packID]*Status
}

// packID names a pack of a source.
type packID struct{ source, pack string }

// New makes an Archive.
func New(o Options) (*Archive, error) {
	if len(o.Sinks) == 0 || o.Logger == nil {
		return nil, errors.New("archive: Sinks and Logger are required")
	}
	a := &Archive{Options: o, metrics: newMetrics(o.Registerer, o.Packs), status: make(map[packID]*Status)}
	for _, p := range o.Packs {
		a.status[packID{p.Source, p.Key()}] = new(Status)
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
		return *s
	}
	return Status{}
}

// update changes a pack's status, if it is one of the configured ones.
func (a *Archive) update(s scheduler.Slot, change func(*Status)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if st := a.status[packID{s.Source, s.Pack}]; st != nil {
		change(st)
	}
}

// settled counts a slot that has just ended, once.
func (a *Archive) settled(r Record) {
	a.update(r.Slot, func(st *Status) {
		st.add(r)
		a.metrics.settled(r, *st)
	})
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
