// Package plans keeps the record of how packs were scheduled: which plan was in
// force when, by what the archive's sinks hold (see [evidence.Plan]). A slot is
// owed by the plan that was in force when it fell due, whatever the configuration
// says today.
//
// A plan is durable in the state folder before it comes into force, and is brought
// to the sinks as soon as one takes it. Each replica writes its own; the last one
// counts. One that says what is in force already is not written.
package plans

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"packseal.example/internal/atomicfile"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// Archive is where plans are kept.
type Archive interface {
	Identity() string // tells it from others

	// Plans returns those of have and what the archive has beside them, by their
	// keys.
	Plans(ctx context.Context, have map[string]evidence.Plan) (map[string]evidence.Plan, error)
	PutPlan(ctx context.Context, p evidence.Plan) error
}

// Options are what a Book needs. All are required.
type Options struct {
	Dir    string // for plans on their way to the sinks; it is made
	Tool   string // "packseal/<version>", for records
	Logger *slog.Logger
}

// Book knows which plan was in force when. Make one with [Open]. Its methods may be
// called from many goroutines.
type Book struct {
	Options
	wake chan struct{}

	mu        sync.Mutex
	archive   Archive
	current   []evidence.PlannedPack   // that the configuration has, by source and pack
	open      map[string]bool          // sources whose packs are not all known yet
	deferred  bool                     // Adopt waits for the archive's plans
	recorded  map[string]evidence.Plan // that the archive has
	pending   map[string]evidence.Plan // that are on their way there
	timelines map[evidence.PackRef]scheduler.Timeline
	first     time.Time     // since of the first plan of all
	read      bool          // the archive's plans are known
	failed    error         // of the last attempt to read them
	attempted chan struct{} // closed at the end of the attempt
}

// Open opens the book, with what is in the folder.
func Open(o Options) (*Book, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of plans: %w", err)
	}
	b := &Book{
		Options: o, wake: make(chan struct{}, 1), recorded: make(map[string]evidence.Plan),
		pending: make(map[string]evidence.Plan), attempted: make(chan struct{}),
	}
	names, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("reading the folder of plans: %w", err)
	}
	for _, n := range names {
		key := evidence.PlanDir + n.Name()
		if !evidence.IsPlan(key) {
			continue
		}
		raw, err := os.ReadFile(b.file(key))
		if err != nil {
			return nil, fmt.Errorf("reading a plan: %w", err)
		}
		p, err := evidence.DecodePlan(raw, key)
		if err != nil {
			b.Logger.Warn("plan not readable", "key", key, "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
			continue
		}
		b.pending[key] = p
	}
	return b, nil
}

// file is where a plan waits for the sinks.
func (b *Book) file(key string) string { return filepath.Join(b.Dir, filepath.Base(key)) }

// Adopt puts a plan into force, in an archive, and returns since when it is: the
// next second, so that what has fallen due by now is by the plan before. It is
// durable when Adopt returns, unless the disk fails: then it is logged, and lost
// with the process if no sink takes it.
//
// Packs of open sources, by name, are not all known yet: what the plan before has of
// them stays in force. If that plan is not read yet, Run puts the new one into force.
func (b *Book) Adopt(a Archive, packs []evidence.PlannedPack, open map[string]bool) (since time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	since = nextSecond()
	packs = slices.SortedFunc(slices.Values(packs), evidence.PlannedPack.Compare)
	if b.archive == nil || b.archive.Identity() != a.Identity() {
		b.recorded, b.read, b.failed = make(map[string]evidence.Plan), false, nil
	}
	if err := b.remove(func(p evidence.Plan) bool { return !p.Since.Before(since) }); err != nil { // none fell due by it
		return since, err
	}
	last := b.last()
	b.archive, b.current, b.open = a, packs, open
	b.deferred = len(open) > 0 && !b.read
	if wanted := b.wanted(last); !b.deferred && !last.says(wanted) {
		if err := b.add(wanted, since); err != nil {
			return since, err
		}
	}
	b.derive()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return since, nil
}

// wanted returns the packs of the plan that is to be in force after that one: the
// configuration's, and what that one has of open sources.
func (b *Book) wanted(last plan) []evidence.PlannedPack {
	if len(b.open) == 0 {
		return b.current
	}
	named := make(map[evidence.PackRef]bool, len(b.current))
	for _, p := range b.current {
		named[p.Ref()] = true
	}
	wanted := slices.Clone(b.current)
	for _, p := range last.packs {
		if b.open[p.Source] && !named[p.Ref()] {
			wanted = append(wanted, p)
		}
	}
	slices.SortFunc(wanted, evidence.PlannedPack.Compare)
	return wanted
}

// nextSecond returns the next whole second.
func nextSecond() time.Time { return time.Now().UTC().Truncate(time.Second).Add(time.Second) }

// remove removes plans that are on their way to the archive.
func (b *Book) remove(which func(evidence.Plan) bool) error {
	for key, p := range b.pending {
		if !which(p) {
			continue
		}
		if err := os.Remove(b.file(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a plan: %w", err)
		}
		delete(b.pending, key)
	}
	return nil
}

// all returns what is recorded and what is on its way there.
func (b *Book) all() map[string]evidence.Plan {
	all := maps.Clone(b.recorded)
	maps.Copy(all, b.pending)
	return all
}

// last returns the last plan of all.
func (b *Book) last() plan {
	plans := assemble(b.all())
	if len(plans) == 0 {
		return plan{}
	}
	return plans[len(plans)-1]
}

// add adds a plan that is on its way to the archive.
func (b *Book) add(packs []evidence.PlannedPack, since time.Time) error {
	records, err := evidence.NewPlan(packs, since, b.Tool)
	if err != nil {
		return err
	}
	for _, p := range records {
		key, raw, err := p.Encode()
		if err != nil {
			return err
		}
		b.pending[key] = p
		if err := atomicfile.Write(b.file(key), raw, 0o600); err != nil {
			b.Logger.Warn("plan not written to disk", "key", key, "reason", fault.Of(err), "err", err)
		}
	}
	return nil
}

// derive derives what InForce answers.
func (b *Book) derive() {
	plans := assemble(b.all())
	b.timelines, b.first = timelines(plans), time.Time{}
	if len(plans) > 0 {
		b.first = plans[0].since
	}
}

// InForce returns how a pack was scheduled, up to now; first says that it begins
// with the first plan of the archive, so that nothing is known of before. It waits
// until the archive's plans were read, or that has failed.
func (b *Book) InForce(ctx context.Context, source, pack string) (t scheduler.Timeline, first bool, err error) {
	err = b.await(ctx, func() {
		t = slices.Clone(b.timelines[evidence.Ref(source, pack)])
		first = len(t) > 0 && t[0].From.Equal(b.first)
	})
	return t, first, err
}

// Left returns the packs that are not scheduled any more, and since when. It waits
// as InForce does.
func (b *Book) Left(ctx context.Context) (left map[evidence.PackRef]time.Time, err error) {
	err = b.await(ctx, func() {
		left = make(map[evidence.PackRef]time.Time)
		for ref, t := range b.timelines {
			if n := len(t); n > 0 && t[n-1].Schedule == (scheduler.Schedule{}) {
				left[ref] = t[n-1].From
			}
		}
	})
	return left, err
}

// await calls f, with the lock held, once the archive's plans were read.
func (b *Book) await(ctx context.Context, f func()) error {
	for {
		b.mu.Lock()
		attempted, err := b.attempted, b.failed
		read := b.read
		if read {
			f()
		}
		b.mu.Unlock()
		switch {
		case read:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-attempted:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// again is how often the archive is looked at for the plans of other replicas.
const again = time.Hour

// Run reads the archive's plans and brings it those that are on their way, until
// ctx ends.
func (b *Book) Run(ctx context.Context) error {
	for try := 0; ctx.Err() == nil; {
		wait, err := b.sync(ctx)
		if err == nil {
			try = 0
		} else if ctx.Err() == nil {
			b.Logger.WarnContext(ctx, "plans not in the archive", "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
			wait = fault.Backoff{}.Wait(try, err)
			try++
		}
		b.mu.Lock()
		b.failed = err
		close(b.attempted)
		b.attempted = make(chan struct{})
		b.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-b.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// sync is one attempt. It returns when to make the next.
func (b *Book) sync(ctx context.Context) (wait time.Duration, err error) {
	b.mu.Lock()
	a, have := b.archive, b.recorded
	b.mu.Unlock()
	if a == nil {
		return again, nil
	}
	recorded, err := a.Plans(ctx, have)
	if err != nil {
		return 0, fmt.Errorf("reading plans: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.archive.Identity() != a.Identity() {
		return 0, nil // another one took its place
	}
	b.recorded, b.read = recorded, true
	if err := b.settle(ctx); err != nil {
		return 0, err
	}
	b.derive()
	return b.put(ctx, a)
}

// settle drops plans on their way that say what was in force already. If the last
// plan of all is not this replica's, that is put into force again.
func (b *Book) settle(ctx context.Context) error {
	recorded := assemble(b.recorded)
	for _, p := range assemble(b.pending) {
		if !at(recorded, p.since).says(p.packs) {
			break // those after it follow this one
		}
		if err := b.remove(func(r evidence.Plan) bool { return r.Since.Equal(p.since) }); err != nil {
			return err
		}
	}
	last := b.last()
	wanted, deferred := b.wanted(last), b.deferred
	b.deferred = false
	if last.says(wanted) || len(wanted) == 0 && len(b.open) > 0 && last.since.IsZero() {
		return nil
	}
	if !deferred {
		b.Logger.WarnContext(ctx, "another plan is in force", "since", last.since)
	}
	return b.add(wanted, later(nextSecond(), last.since.Add(time.Second)))
}

// put puts plans that are on their way into the archive, once no other one can be
// of the same second. It returns when to come again.
func (b *Book) put(ctx context.Context, a Archive) (time.Duration, error) {
	for _, key := range slices.Sorted(maps.Keys(b.pending)) {
		p, ok := b.pending[key]
		if !ok {
			continue // another plan took its place
		}
		if wait := time.Until(p.Since); wait > 0 {
			return min(wait, again), nil
		}
		b.mu.Unlock()
		err := a.PutPlan(ctx, p)
		b.mu.Lock()
		if err != nil {
			return 0, err
		}
		b.recorded[key] = p
		if err := b.remove(func(r evidence.Plan) bool { return r.Since.Equal(p.Since) && r.Part == p.Part }); err != nil {
			return 0, err
		}
		b.Logger.InfoContext(ctx, "plan recorded", "since", p.Since, "packs", len(p.Packs), "key", key)
	}
	return again, nil
}

// later returns the later of two times.
func later(x, y time.Time) time.Time {
	if x.Before(y) {
		return y
	}
	return x
}
