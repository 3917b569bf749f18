package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/scheduler/replica"
)

// Pause says that no work is begun on a pack, or on a whole source, in any
// replica. Their slots go on falling due and wait in the queue.
type Pause struct {
	Source string    `json:"source"`
	Pack   string    `json:"pack,omitempty"` // its key; empty = the whole source
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // when it ends by itself; zero = not before Resume
	By     string    `json:"by"`
	Why    string    `json:"why"`
}

// String says it in words; it is the detail of a gap that a pause has caused.
func (p Pause) String() string {
	what := "source " + p.Source
	if p.Pack != "" {
		what = "pack " + p.Source + "/" + p.Pack
	}
	since := p.Since.UTC().Format(time.RFC3339)
	if !p.Until.IsZero() {
		since += " until " + p.Until.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s has been paused since %s by %s: %s", what, since, p.By, p.Why)
}

// over reports whether the pause has ended by itself.
func (p Pause) over() bool { return !p.Until.IsZero() && !time.Now().Before(p.Until) }

// name identifies the pause: the end of a slot's subject, or the source's part
// of that.
func (p Pause) name() string { return pauseName(p.Source, p.Pack) }

func pauseName(source, pack string) string {
	if pack == "" {
		return replica.Token(source)
	}
	return replica.Token(source) + "." + replica.Token(pack)
}

const (
	// pausesKey is the key in the bucket that holds all pauses, in one value:
	// read with one request, and changed by compare-and-swap. A watch of one key
	// each could end unnoticed with a bucket that is created anew.
	pausesKey = "pauses"

	// maxPauses keeps that value within what a message may hold.
	maxPauses = 1000

	// changeTimeout bounds a change, including its attempts.
	changeTimeout = 15 * time.Second

	// pollPauses is how often a replica reads what others may have changed.
	pollPauses = 2 * time.Second
)

// pauses are the pauses in force, as this replica knows them.
type pauses struct {
	stream    *stream
	accessing sync.Mutex // held while the bucket is read or changed

	mu      sync.Mutex
	by      map[string]Pause
	changed chan struct{} // closed at each change
}

// Paused returns the pause that applies to the pack, if one does: that of its
// source before its own.
func (p *pauses) Paused(source, pack string) (Pause, bool) {
	return p.of(p.stream.prefix.subject(source, pack))
}

// of returns the pause that applies to the slot kept under subject: that of its
// source before that of its pack.
func (p *pauses) of(subject string) (Pause, bool) {
	name := strings.TrimPrefix(subject, p.stream.prefix.subjects())
	source, _, _ := strings.Cut(name, ".")
	p.mu.Lock()
	defer p.mu.Unlock()
	pause, ok := p.by[source]
	if !ok {
		pause, ok = p.by[name]
	}
	return pause, ok
}

// source reports whether the whole source is paused, how many pauses concern it
// or its packs, and what is closed when that may change.
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

// Pauses returns the pauses in force, by source and pack.
func (p *pauses) Pauses() []Pause {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.SortedFunc(maps.Values(p.by), func(a, b Pause) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Pack, b.Pack))
	})
}

// set puts the pauses in the bucket into force.
func (p *pauses) set(all []Pause) {
	by := make(map[string]Pause, len(all))
	for _, pause := range all {
		by[pause.name()] = pause
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.replace(by)
}

// expire ends pauses that are over, when they are, until ctx ends.
func (p *pauses) expire(ctx context.Context) {
	for ctx.Err() == nil {
		p.mu.Lock()
		p.replace(maps.Clone(p.by))
		changed, next := p.changed, time.Minute // at most: timers stand still while a machine is suspended
		for _, pause := range p.by {
			if !pause.Until.IsZero() {
				next = min(next, time.Until(pause.Until))
			}
		}
		p.mu.Unlock()
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// replace puts pauses into force, but for those that are over. It is called with mu
// held.
func (p *pauses) replace(by map[string]Pause) {
	maps.DeleteFunc(by, func(_ string, pause Pause) bool { return pause.over() })
	for name, pause := range p.by {
		if _, still := by[name]; !still && pause.over() {
			p.stream.log.Info("pause ended by itself", "source", pause.Source, "pack", pause.Pack, "by", pause.By, "since", pause.Since)
		}
	}
	if !maps.Equal(p.by, by) {
		p.by = by
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

// Pause pauses a source or a pack, in all replicas within seconds. What is at
// work is finished. One that is paused already stays as it is, and is returned
// with false.
func (p *pauses) Pause(ctx context.Context, pause Pause) (is Pause, added bool, err error) {
	err = p.change(ctx, func(all []Pause) ([]Pause, bool, error) {
		at := slices.IndexFunc(all, func(is Pause) bool { return is.name() == pause.name() })
		switch {
		case at >= 0:
			is, added = all[at], false
			return all, false, nil
		case len(all) >= maxPauses:
			return nil, false, fault.New(fault.Request, "%d pauses are in force already", len(all)).WithHint("pause the source instead of its packs")
		}
		is, added = pause, true
		return append(all, pause), true, nil
	})
	return is, added, err
}

// Resume ends the pause of a source or a pack, and reports whether there was
// one. A pack of a paused source stays paused.
func (p *pauses) Resume(ctx context.Context, source, pack string) (was bool, err error) {
	err = p.change(ctx, func(all []Pause) ([]Pause, bool, error) {
		rest := slices.DeleteFunc(slices.Clone(all), func(p Pause) bool { return p.name() == pauseName(source, pack) })
		was = len(rest) < len(all)
		return rest, was, nil
	})
	return was, err
}

// load reads the pauses from the bucket.
func (p *pauses) load(ctx context.Context) error {
	p.accessing.Lock()
	defer p.accessing.Unlock()
	all, _, err := p.read(ctx)
	if err == nil {
		p.set(all)
	}
	return err
}

// read returns the pauses in the bucket that are not over, and their revision: 0 if
// there are none.
func (p *pauses) read(ctx context.Context) (all []Pause, revision uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	value, revision, err := p.stream.bucket.Get(ctx, pausesKey)
	if err == nil && revision > 0 {
		err = json.Unmarshal(value, &all)
	}
	if err != nil {
		return nil, revision, fault.Wrap(fault.Unavailable, fmt.Errorf("reading the pauses: %w", err))
	}
	return slices.DeleteFunc(all, Pause.over), revision, nil
}

// change edits the pauses in the bucket, again if another replica was first.
func (p *pauses) change(ctx context.Context, edit func([]Pause) (_ []Pause, changed bool, err error)) error {
	p.accessing.Lock()
	defer p.accessing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	return fault.Retry(ctx, 5, fault.Backoff{Base: attemptPause}, func() error {
		all, revision, err := p.read(ctx)
		if err != nil {
			return cmp.Or(p.stream.open(ctx), err) // if it was lost, it is there at the next attempt
		}
		all, changed, err := edit(all)
		if err != nil {
			return err
		}
		if changed {
			value, err := json.Marshal(all)
			if err == nil {
				_, err = p.stream.bucket.CompareAndSwap(ctx, pausesKey, value, revision)
			}
			if err != nil {
				return fault.Wrap(fault.Unavailable, fmt.Errorf("writing the pauses: %w", err))
			}
		}
		p.set(all)
		return nil
	})
}

// follow loads what other replicas change, until ctx ends. While the bucket does not answer, what was loaded last stays in force;
// one that is lost is created anew.
func (p *pauses) follow(ctx context.Context) {
	for fault.Sleep(ctx, pollPauses) {
		if err := p.load(ctx); err != nil && ctx.Err() == nil {
			p.stream.log.DebugContext(ctx, "pauses not loaded", "err", err, "reopened", p.stream.open(ctx) == nil)
		}
	}
}
