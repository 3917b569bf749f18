// Package plans keeps the record of how packs were scheduled: which plan was in
// force when, by what the archive's sinks hold (see [evidence.Plan]). A slot is
// owed by the plan that was in force when it fell due, whatever the configuration
// says today.
//
// A plan is durable in the state folder before it comes into force, and is brought
// to the sinks as soon as one takes it. Each replica writes its own; the last one
// counts. A plan that equals the one in force is not written.
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
	"packseal.example/scheduler/cron"
)

// Archive is where plans are kept.
type Archive interface {
	Identity() string // tells it from others

	// Plans returns those of have and what the archive has beside them, by their
	// keys, in a map of the caller's own.
	Plans(ctx context.Context, have map[string]evidence.Plan) (map[string]evidence.Plan, error)
	PutPlan(ctx context.Context, p evidence.Plan) error
}

// Options are what a Store needs. All are required.
type Options struct {
	Dir    string // for plans on their way to the sinks; it is made
	Tool   string // "packseal/<version>", for records
	Logger *slog.Logger
}

// Store knows which plan was in force when. Make one with [Open]. Its methods may be
// called from many goroutines.
type Store struct {
	Options
	wake chan struct{}

	mu        sync.Mutex
	archive   Archive
	current   []evidence.PlannedPack   // that the configuration has, by source and pack
	open      map[string]bool          // sources whose packs are not all known yet
	deferred  bool                     // Adopt waits for the archive's plans
	recorded  map[string]evidence.Plan // that the archive has
	pending   map[string]evidence.Plan // that are on their way there
	timelines map[evidence.PackRef]cron.Timeline
	sinks     map[evidence.PackRef][]string // by the last plan that has the pack
	first     time.Time                     // since of the first plan of all
	read      bool                          // the archive's plans are known
	failed    error                         // of the last attempt to read them
	attempted chan struct{}                 // closed at the end of the attempt
}

// Open opens the store, with what is in the folder.
func Open(o Options) (*Store, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of plans: %w", err)
	}
	s := &Store{
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
		raw, err := os.ReadFile(s.file(key))
		if err != nil {
			return nil, fmt.Errorf("reading a plan: %w", err)
		}
		p, err := evidence.DecodePlan(raw, key)
		if err != nil {
			s.Logger.Warn("plan not readable", "key", key, "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
			continue
		}
		s.pending[key] = p
	}
	return s, nil
}

// file is where a plan waits for the sinks.
func (s *Store) file(key string) string { return filepath.Join(s.Dir, filepath.Base(key)) }

// Adopt puts a plan into force, in an archive, and returns since when it is: the
// next second, so that what has fallen due by now is by the plan before. It is
// durable when Adopt returns, unless the disk fails: then it is logged, and lost
// with the process if no sink takes it.
//
// Packs of open sources, by name, are not all known yet: what the plan before has of
// them stays in force. A name with a dot after it stands for the sources of all member
// accounts. If that plan is not read yet, Run puts the new one into force.
func (s *Store) Adopt(a Archive, packs []evidence.PlannedPack, open map[string]bool) (since time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since = evidence.NextSecond(time.Now())
	packs = slices.SortedFunc(slices.Values(packs), evidence.PlannedPack.Compare)
	if s.archive == nil || s.archive.Identity() != a.Identity() {
		s.recorded, s.read, s.failed = make(map[string]evidence.Plan), false, nil
	}
	if err := s.remove(func(p evidence.Plan) bool { return !p.Since.Before(since) }); err != nil { // none fell due by it
		return since, err
	}
	last := s.last()
	s.archive, s.current, s.open = a, packs, open
	s.deferred = len(open) > 0 && !s.read
	if wanted := s.wanted(last); !s.deferred && !last.equals(wanted) {
		if err := s.add(wanted, since); err != nil {
			return since, err
		}
	}
	s.derive()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return since, nil
}

// wanted returns the packs of the plan that is to be in force after that one: the
// configuration's, and what that one has of open sources.
func (s *Store) wanted(last Plan) []evidence.PlannedPack {
	if len(s.open) == 0 {
		return s.current
	}
	named := make(map[evidence.PackRef]bool, len(s.current))
	for _, p := range s.current {
		named[p.Ref()] = true
	}
	wanted := slices.Clone(s.current)
	for _, p := range last.Packs {
		if s.isOpen(p.Source) && !named[p.Ref()] {
			wanted = append(wanted, p)
		}
	}
	slices.SortFunc(wanted, evidence.PlannedPack.Compare)
	return wanted
}

// isOpen reports whether packs of a source are not all known yet, or whether accounts of
// its kind are.
func (s *Store) isOpen(source string) bool {
	parent, _, member := evidence.SplitMember(source)
	return s.open[source] || member && s.open[evidence.MemberSource(parent, "")]
}

// remove removes plans that are on their way to the archive.
func (s *Store) remove(which func(evidence.Plan) bool) error {
	for key, p := range s.pending {
		if !which(p) {
			continue
		}
		if err := os.Remove(s.file(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a plan: %w", err)
		}
		delete(s.pending, key)
	}
	return nil
}

// all returns what is recorded and what is on its way there.
func (s *Store) all() map[string]evidence.Plan {
	all := maps.Clone(s.recorded)
	maps.Copy(all, s.pending)
	return all
}

// last returns the last plan of all.
func (s *Store) last() Plan { return NewHistory(s.all(), nil).last() }

// add adds a plan that is on its way to the archive.
func (s *Store) add(packs []evidence.PlannedPack, since time.Time) error {
	records, err := evidence.NewPlan(packs, since, s.Tool)
	if err != nil {
		return err
	}
	for _, p := range records {
		key, raw, err := p.Encode()
		if err != nil {
			return err
		}
		s.pending[key] = p
		if err := atomicfile.Write(s.file(key), raw, 0o600); err != nil {
			s.Logger.Warn("plan not written to disk", "key", key, "reason", fault.Of(err), "err", err)
		}
	}
	return nil
}

// derive derives what InForce, Left and Sinks answer.
func (s *Store) derive() {
	history := NewHistory(s.all(), nil)
	s.timelines, s.first, s.sinks = history.timelines(), time.Time{}, make(map[evidence.PackRef][]string)
	for _, plan := range history {
		for _, p := range plan.Packs {
			s.sinks[p.Ref()] = p.Sinks
		}
	}
	if len(history) > 0 {
		s.first = history[0].From
	}
}

// InForce returns how a pack was scheduled, up to now; first says that it begins
// with the first plan of the archive, so that nothing is known of before. It waits
// until the archive's plans were read, or that has failed.
func (s *Store) InForce(ctx context.Context, source, pack string) (t cron.Timeline, first bool, err error) {
	err = s.await(ctx, func() {
		t = slices.Clone(s.timelines[evidence.Ref(source, pack)])
		first = len(t) > 0 && t[0].From.Equal(s.first)
	})
	return t, first, err
}

// Sinks returns the names of the sinks that keep a pack's reports, by the last plan that
// has the pack; nil = all. It waits as InForce does.
func (s *Store) Sinks(ctx context.Context, p evidence.PackRef) (names []string, ok bool) {
	err := s.await(ctx, func() { names, ok = s.sinks[p] })
	return names, ok && err == nil
}

// Recorded returns the records of plans that the archive has, by their keys; pending says
// that others are on their way there. It waits as InForce does.
func (s *Store) Recorded(ctx context.Context) (all map[string]evidence.Plan, pending bool, err error) {
	err = s.await(ctx, func() { all, pending = maps.Clone(s.recorded), len(s.pending) > 0 })
	return all, pending, err
}

// Left returns the packs that are not scheduled any more, and since when. It waits
// as InForce does.
func (s *Store) Left(ctx context.Context) (left map[evidence.PackRef]time.Time, err error) {
	err = s.await(ctx, func() {
		left = make(map[evidence.PackRef]time.Time)
		scheduled := make(map[evidence.PackRef]bool) // also one whose until has come
		for _, p := range s.last().Packs {
			scheduled[p.Ref()] = true
		}
		for ref, t := range s.timelines {
			if n := len(t); n > 0 && t[n-1].Schedule == (cron.Schedule{}) && !scheduled[ref] {
				left[ref] = t[n-1].From
			}
		}
	})
	return left, err
}

// await calls f, with the lock held, once the archive's plans were read.
func (s *Store) await(ctx context.Context, f func()) error {
	for {
		s.mu.Lock()
		attempted, err := s.attempted, s.failed
		read := s.read
		if read {
			f()
		}
		s.mu.Unlock()
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

const (
	// again is how often the archive is looked at for the plans of other replicas.
	again = time.Hour

	// skew is how far the clocks of replicas may differ. No replica records a plan before
	// it comes into force: one that does so later is of somebody else, or of a clock that
	// was wrong, and must not keep the next ones waiting until then.
	skew = time.Hour
)

// Run reads the archive's plans and brings it those that are on their way, until
// ctx ends.
func (s *Store) Run(ctx context.Context) error {
	for try := 0; ctx.Err() == nil; {
		wait, err := s.sync(ctx)
		if err == nil {
			try = 0
		} else if ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "plans not in the archive", "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
			wait = fault.Backoff{}.Wait(try, err)
			try++
		}
		s.mu.Lock()
		s.failed = err
		close(s.attempted)
		s.attempted = make(chan struct{})
		s.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// sync is one attempt. It returns when to make the next.
func (s *Store) sync(ctx context.Context) (wait time.Duration, err error) {
	s.mu.Lock()
	a, have := s.archive, s.recorded
	s.mu.Unlock()
	if a == nil {
		return again, nil
	}
	recorded, err := a.Plans(ctx, have)
	if err != nil {
		return 0, fmt.Errorf("reading plans: %w", err)
	}
	for key, p := range recorded {
		if p.Since.After(time.Now().Add(skew)) {
			s.Logger.WarnContext(ctx, "plan of the future passed over", "key", key, "since", p.Since)
			delete(recorded, key)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.archive.Identity() != a.Identity() {
		return 0, nil // another one took its place
	}
	s.recorded, s.read = recorded, true
	if err := s.reconcile(ctx); err != nil {
		return 0, err
	}
	s.derive()
	return s.put(ctx, a)
}

// reconcile drops pending plans that equal what was in force already. If the last
// plan of all is not this replica's, that is put into force again.
func (s *Store) reconcile(ctx context.Context) error {
	recorded := NewHistory(s.recorded, nil)
	for _, p := range NewHistory(s.pending, nil) {
		if same, _ := recorded.At(p.Since); !same.equals(p.Packs) {
			break // those after it follow this one
		}
		if err := s.remove(func(r evidence.Plan) bool { return r.Since.Equal(p.Since) }); err != nil {
			return err
		}
	}
	last := s.last()
	wanted, deferred := s.wanted(last), s.deferred
	s.deferred = false
	if last.equals(wanted) || len(wanted) == 0 && len(s.open) > 0 && last.Since.IsZero() {
		return nil
	}
	if !deferred {
		s.Logger.WarnContext(ctx, "another plan is in force", "since", last.Since)
	}
	since := evidence.NextSecond(time.Now())
	if after := last.Since.Add(time.Second); since.Before(after) {
		since = after
	}
	return s.add(wanted, since)
}

// put puts plans that are on their way into the archive, once no other one can be
// of the same second. It returns when to come again.
func (s *Store) put(ctx context.Context, a Archive) (time.Duration, error) {
	for _, key := range slices.Sorted(maps.Keys(s.pending)) {
		p, ok := s.pending[key]
		if !ok {
			continue // another plan took its place
		}
		if wait := time.Until(p.Since); wait > 0 {
			return min(wait, again), nil
		}
		s.mu.Unlock()
		err := a.PutPlan(ctx, p)
		s.mu.Lock()
		if err != nil {
			return 0, err
		}
		s.recorded[key] = p
		if err := s.remove(func(r evidence.Plan) bool { return r.Since.Equal(p.Since) && r.Part == p.Part }); err != nil {
			return 0, err
		}
		s.Logger.InfoContext(ctx, "plan recorded", "since", p.Since, "packs", len(p.Packs), "key", key)
	}
	return again, nil
}
