package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
)

const (
	// pausesKey is where all pauses stand on the board, in one value: read with
	// one request, and changed only by who has seen what is there. A watch of
	// one key each could die unseen with a bucket that is made anew.
	pausesKey = "pauses"

	// mostPauses keeps that value within what a message may hold.
	mostPauses = 1000

	// changeTime bounds a change, with its tries.
	changeTime = 15 * time.Second

	// followEvery is how often replicas look, if they are not told to before.
	followEvery = 2 * time.Second

	// holdFor is how long a paused slot that was handed out is put back. It
	// comes back at once on resume, through the replica that put it back; only
	// when that is gone does it take so long.
	holdFor = time.Minute
)

// pauses is what is paused, as this replica knows.
type pauses struct {
	board  jetstream.KeyValue
	prefix prefix
	mend   func(context.Context) error // makes the board anew, should it be lost

	reading sync.Mutex // one reads or changes the board at a time
	seen    uint64     // the board's revision
	doubted bool       // an older one came: see read

	mu      sync.Mutex
	by      map[string]Pause
	changed chan struct{} // closed at each change
}

func newPauses(e *engine) *pauses {
	return &pauses{board: e.board, prefix: e.prefix, mend: e.ensure, changed: make(chan struct{})}
}

// of returns the pause that holds for the slot kept under subject: that of its
// source before that of its pack.
func (p *pauses) of(subject string) (Pause, bool) {
	name := strings.TrimPrefix(subject, p.prefix.subjects())
	source, _, _ := strings.Cut(name, ".")
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range []string{source, name} {
		if found, ok := p.by[n]; ok {
			return found, true
		}
	}
	return Pause{}, false
}

// source reports whether the whole source is paused, how many pauses concern
// it or its packs, and what is closed when that may be otherwise.
func (p *pauses) source(source string) (whole bool, n int, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pause := range p.by {
		if pause.Source == source {
			n++
			whole = whole || pause.Pack == ""
		}
	}
	return whole, n, p.changed
}

// all returns the pauses, sorted.
func (p *pauses) all() []Pause {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.SortedFunc(maps.Values(p.by), func(a, b Pause) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Pack, b.Pack))
	})
}

// set takes over what the board says.
func (p *pauses) set(all []Pause) {
	by := make(map[string]Pause, len(all))
	for _, pause := range all {
		by[pause.name()] = pause
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !maps.Equal(p.by, by) {
		p.by = by
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

// load reads the board. A copy that lags behind may answer: what is older than
// what was seen counts only when it is said twice, as by a board made anew.
func (p *pauses) load(ctx context.Context) error {
	p.reading.Lock()
	defer p.reading.Unlock()
	all, revision, err := p.read(ctx)
	if err != nil {
		return err
	}
	if p.doubted = revision < p.seen && !p.doubted; p.doubted {
		return nil
	}
	p.seen = revision
	p.set(all)
	return nil
}

// read returns what stands on the board, and its revision: 0 when nothing does.
func (p *pauses) read(ctx context.Context) (all []Pause, revision uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	value, revision, err := peek(ctx, p.board, pausesKey)
	if err == nil && revision > 0 {
		err = json.Unmarshal(value, &all)
	}
	if err != nil {
		return nil, revision, fault.Wrap(fault.Unavailable, fmt.Errorf("reading what is paused: %w", err))
	}
	return all, revision, nil
}

// change changes what stands on the board, anew when somebody else was faster.
func (p *pauses) change(ctx context.Context, edit func([]Pause) (_ []Pause, changed bool, err error)) error {
	p.reading.Lock()
	defer p.reading.Unlock()
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	return fault.Retry(ctx, 5, fault.Backoff{Base: between}, func() error {
		all, revision, err := p.read(ctx)
		if err != nil {
			return cmp.Or(p.mend(ctx), err) // made anew, it is there the next time
		}
		all, changed, err := edit(all)
		if err != nil {
			return err
		}
		if changed {
			if revision, err = p.write(ctx, all, revision); err != nil {
				return fault.Wrap(fault.Unavailable, fmt.Errorf("writing what is paused: %w", err))
			}
		}
		p.seen, p.doubted = revision, false
		p.set(all)
		return nil
	})
}

// write puts all in the place of that revision.
func (p *pauses) write(ctx context.Context, all []Pause, revision uint64) (uint64, error) {
	value, err := json.Marshal(all)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return swap(ctx, p.board, pausesKey, value, revision)
}

// follow looks what other replicas have changed, until ctx ends. What was
// known last stays in force while the board does not answer.
func (p *pauses) follow(ctx context.Context, log *slog.Logger) {
	for fault.Sleep(ctx, followEvery) {
		if err := p.load(ctx); err != nil && ctx.Err() == nil {
			log.DebugContext(ctx, "what is paused could not be looked up", "err", err, "mended", p.mend(ctx) == nil)
		}
	}
}
