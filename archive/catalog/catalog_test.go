package catalog

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// fakeArchive is an archive in memory that counts what it is asked.
type fakeArchive struct {
	identity string

	mu      sync.Mutex
	records map[evidence.Slot]evidence.Record
	errs    map[evidence.Slot]error // of Record
	down    error                   // of List and Record
	partial bool                    // a sink can't be listed
	lists   int
	gets    int
	ranges  []string // of the lists: from, as a year
}

func newArchive() *fakeArchive {
	return &fakeArchive{identity: "memory", records: make(map[evidence.Slot]evidence.Record), errs: make(map[evidence.Slot]error)}
}

func (a *fakeArchive) Identity() string { return a.identity }

func (a *fakeArchive) List(_ context.Context, source, pack string, from, to time.Time) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		a.mu.Lock()
		a.lists++
		a.ranges = append(a.ranges, from.Format("2006"))
		down, partial := a.down, a.partial
		var all []Listed
		for s, r := range a.records {
			if s.Source == source && s.Pack == pack && !s.Due.Before(from) && (to.IsZero() || s.Due.Before(to)) {
				all = append(all, Listed{s, r.State})
			}
		}
		a.mu.Unlock()
		if down != nil {
			yield(Listed{}, down)
			return
		}
		slices.SortFunc(all, func(x, y Listed) int { return x.Due.Compare(y.Due) })
		for _, l := range all {
			if !yield(l, nil) {
				return
			}
		}
		if partial {
			yield(Listed{}, ErrIncomplete)
		}
	}
}

func (a *fakeArchive) Record(_ context.Context, l Listed) (evidence.Record, error) {
	s := l.Slot
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gets++
	if err := a.errs[s]; err != nil || a.down != nil {
		if err == nil {
			err = a.down
		}
		return evidence.Record{}, err
	}
	if r, ok := a.records[s]; ok && (l.State == "" || l.State == r.State) {
		return r, nil
	}
	return evidence.Record{}, sink.NotExist(s.ManifestKey())
}

// requests returns how many there were, and forgets them.
func (a *fakeArchive) requests() (lists, gets int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	lists, gets = a.lists, a.gets
	a.lists, a.gets = 0, 0
	return lists, gets
}

// set puts records into the archive.
func (a *fakeArchive) set(records ...evidence.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range records {
		a.records[r.Slot] = r
	}
}

// remove takes a slot out of the archive.
func (a *fakeArchive) remove(s evidence.Slot) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.records, s)
}

// all returns the archive's records of a pack, the newest first.
func (a *fakeArchive) all(pack string) []evidence.Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(slices.SortedFunc(maps.Values(a.records), func(x, y evidence.Record) int { return y.Due.Compare(x.Due) }),
		func(r evidence.Record) bool { return r.Pack != pack })
}

// start is when the first slot of tests fell due.
var start = time.Date(2022, time.March, 1, 2, 0, 0, 0, time.UTC)

// slotOf returns the nth slot of a pack.
func slotOf(pack string, n int) evidence.Slot {
	return evidence.Slot{Source: "prod", Pack: pack, Due: start.AddDate(0, 0, n)}
}

// sealedRecord is the record of a pack's nth slot, sealed.
func sealedRecord(pack string, n int) evidence.Record {
	s := slotOf(pack, n)
	sum := fmt.Sprintf("%064x", n+1)
	return evidence.Record{
		Slot: s, State: evidence.Sealed, Settled: s.Due.Add(90 * time.Second), Created: s.Due.Add(time.Minute),
		Object: s.Dir() + "report-" + sum[:12] + ".xls", Size: int64(1000 + n), SHA256: sum, LateSeconds: 80,
	}
}

// gapRecord is the record of a pack's nth slot, a gap.
func gapRecord(pack string, n int) evidence.Record {
	s := slotOf(pack, n)
	return evidence.Record{Slot: s, State: evidence.Gapped, Settled: s.Due.Add(time.Hour), Reason: fault.Missed, Detail: fmt.Sprintf("the %dth", n)}
}

// history fills a pack with n slots; every tenth is a gap.
func (a *fakeArchive) history(pack string, n int) {
	for i := range n {
		if i%10 == 5 {
			a.set(gapRecord(pack, i))
		} else {
			a.set(sealedRecord(pack, i))
		}
	}
}

// bench is a catalog under test.
type bench struct {
	*Catalog
	file string
	stop func() // Run

	mu     sync.Mutex
	events []Event
}

// open opens the catalog in a file and watches packs.
func open(t testing.TB, file string, a Archive, packs ...string) *bench {
	t.Helper()
	b := &bench{file: file, stop: func() {}}
	c, err := Open(Options{File: file, Logger: slog.New(slog.DiscardHandler), Observers: []func(Event){b.event}})
	if err != nil {
		t.Fatal(err)
	}
	b.Catalog = c
	b.watch(a, packs...)
	t.Cleanup(b.close)
	return b
}

// inFolder opens a catalog in a folder of its own.
func inFolder(t testing.TB, a Archive, packs ...string) *bench {
	return open(t, filepath.Join(t.TempDir(), "packseal.db"), a, packs...)
}

func (b *bench) watch(a Archive, packs ...string) {
	refs := make([]evidence.PackRef, len(packs))
	for i, p := range packs {
		refs[i] = evidence.Ref("prod", p)
	}
	b.Watch(a, refs)
}

func (b *bench) event(e Event) {
	b.Status(e.Source, e.Pack) // must not be held by the caller
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
}

// told returns the events since it was asked last, as state and day.
func (b *bench) told() (days []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		days = append(days, fmt.Sprintf("%s %d", e.State, int(e.Due.Sub(start).Hours()/24)))
	}
	b.events = nil
	return days
}

// run runs the catalog until stop or the test's end.
func (b *bench) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		b.Run(ctx)
		close(ended)
	}()
	b.stop = func() { cancel(); <-ended; b.stop = func() {} }
}

func (b *bench) close() {
	b.stop()
	b.Close()
}

// complete runs the catalog until the pack's history is complete and all that is
// to be read of it was.
func (b *bench) complete(t testing.TB, pack string) {
	t.Helper()
	b.run()
	eventually(t, "nothing is left to be read", func() bool {
		b.Catalog.mu.RLock()
		p := b.packs[name{"prod", pack}]
		b.Catalog.mu.RUnlock()
		p.asking.Lock()
		defer p.asking.Unlock()
		b.Catalog.mu.RLock()
		defer b.Catalog.mu.RUnlock()
		return p.complete() && p.replayed && p.askedFrom != unlisted
	})
	b.stop()
	if _, err := b.LastSettled(t.Context(), "prod", pack, time.Now(), 1); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until what is said holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); fault.Sleep(t.Context(), time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within half a minute: %s", what)
		}
	}
}

// collect returns a query's records.
func (b *bench) collect(t testing.TB, q Query) (all []evidence.Record) {
	t.Helper()
	for r, err := range b.Records(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// agrees fails the test unless the catalog says of a pack what the archive does.
func (b *bench) agrees(t testing.TB, a *fakeArchive, pack string) {
	t.Helper()
	want := a.all(pack)
	if diff := cmp.Diff(want, b.collect(t, Query{Source: "prod", Pack: pack}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("records of %s (-archive +catalog): %s", pack, diff)
	}
	st, sealed, gaps := b.Status("prod", pack), 0, 0
	var lastSealed, lastGap evidence.Record
	for _, r := range slices.Backward(want) {
		if r.State == evidence.Sealed {
			sealed, lastSealed = sealed+1, r
		} else {
			gaps, lastGap = gaps+1, r
		}
	}
	if !st.Complete || st.Sealed != sealed || st.Gaps != gaps {
		t.Errorf("status of %s: %d sealed, %d gaps, complete: %t; want %d and %d", pack, st.Sealed, st.Gaps, st.Complete, sealed, gaps)
	}
	if diff := cmp.Diff([]evidence.Record{lastSealed, lastGap}, []evidence.Record{st.LastSealed, st.LastGap}); diff != "" {
		t.Errorf("latest of %s: %s", pack, diff)
	}
	s, _, err := b.current()
	if err == nil {
		err = s.check(t.Context())
	}
	if err == nil {
		err = s.recount(t.Context())
	}
	if err != nil {
		t.Error(err)
	}
}

// TestObserveCountsOnce: in whatever order slots are told of, and however often,
// each counts once, and a sealed slot counts instead of its gap.
func TestObserveCountsOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 0))
		a := newArchive()
		b := inFolder(t, a, "cp-1")
		if seed%2 == 0 { // or the history is read at the end
			b.complete(t, "cp-1")
		}
		var events []evidence.Record
		for n := range 40 {
			gap, sealed := gapRecord("cp-1", n), sealedRecord("cp-1", n)
			switch random.IntN(3) {
			case 0:
				events = append(events, gap)
				a.set(gap)
			case 1:
				events = append(events, sealed, sealed)
				a.set(sealed)
			case 2:
				events = append(events, gap, sealed)
				a.set(sealed)
			}
		}
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		for _, r := range events {
			b.Observe(Event{Record: r})
		}
		b.complete(t, "cp-1")
		b.agrees(t, a, "cp-1")
		again := open(t, filepath.Join(t.TempDir(), "other.db"), a, "cp-1")
		again.complete(t, "cp-1")
		again.agrees(t, a, "cp-1")
	}
}

// TestObservers: they are told of what counts, and of what ends here although it
// is known; after a restart of gaps and of the latest sealed slot.
func TestObservers(t *testing.T) {
	t.Parallel()
	a := newArchive()
	b := inFolder(t, a, "cp-1")
	b.complete(t, "cp-1")
	b.Observe(Event{Record: gapRecord("cp-1", 3), Local: true})
	if e := b.events[0]; e.Sealed != 0 || e.Gaps != 1 || !e.Local {
		t.Errorf("told %+v", e)
	}
	b.Observe(Event{Record: gapRecord("cp-1", 1)})
	b.Observe(Event{Record: gapRecord("cp-1", 1)})
	b.Observe(Event{Record: sealedRecord("cp-1", 4)})
	b.Observe(Event{Record: sealedRecord("cp-1", 4), Local: true})
	b.Observe(Event{Record: sealedRecord("cp-9", 4), Local: true}) // not watched
	b.Observe(Event{Record: evidence.Record{Slot: slotOf("cp-1", 7), State: "another"}})
	if diff := cmp.Diff([]string{"gap 3", "gap 1", "sealed 4", "sealed 4"}, b.told()); diff != "" {
		t.Error(diff)
	}
	a.set(gapRecord("cp-1", 1), gapRecord("cp-1", 3), sealedRecord("cp-1", 2), sealedRecord("cp-1", 4), gapRecord("cp-1", 5), sealedRecord("cp-1", 6))
	b.close()
	again := open(t, b.file, a, "cp-1")
	again.complete(t, "cp-1")
	want := []string{"gap 1", "gap 3", "sealed 4", "gap 5", "sealed 6"}
	if diff := cmp.Diff(want, again.told()); diff != "" {
		t.Error(diff)
	}
}

// TestAttempt: what a slot at work meets is shown.
func TestAttempt(t *testing.T) {
	t.Parallel()
	b := inFolder(t, newArchive(), "cp-1")
	b.Attempt(Attempt{Slot: slotOf("cp-1", 0), Working: true, Trouble: "down"})
	b.Attempt(Attempt{Slot: slotOf("cp-9", 0), Working: true})
	if st := b.Status("prod", "cp-1"); !st.Working || st.Trouble != "down" {
		t.Errorf("status is %+v", st)
	}
	if st := b.Status("prod", "cp-9"); st.Working {
		t.Error("a pack that is not watched is at work")
	}
}

// TestWatch: packs come and go; what ended meanwhile is found, and nobody waits
// for a pack that has gone.
func TestWatch(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.history("cp-1", 30)
	a.history("cp-2", 30)
	b := inFolder(t, a, "cp-1", "cp-2", "cp-1")
	b.complete(t, "cp-1")
	b.complete(t, "cp-2")
	b.watch(a, "cp-1")
	if st := b.Status("prod", "cp-2"); st.Sealed != 0 {
		t.Errorf("a pack that is not watched has %d sealed slots", st.Sealed)
	}
	if got := b.collect(t, Query{}); len(got) != 30 {
		t.Errorf("%d records of watched packs", len(got))
	}
	a.set(sealedRecord("cp-2", 30))
	b.watch(a, "cp-2", "cp-3")
	b.complete(t, "cp-2")
	b.agrees(t, a, "cp-2")

	ended := make(chan error)
	go func() {
		_, err := b.LastSettled(t.Context(), "prod", "cp-4", time.Now(), 1)
		ended <- err
	}()
	if err := <-ended; fault.Of(err) != fault.NotFound {
		t.Errorf("a pack that is not watched: %v", err)
	}
	a.down = fault.New(fault.SinkUnavailable, "down")
	b.watch(a, "cp-4")
	go func() {
		_, err := b.LastSettled(t.Context(), "prod", "cp-4", time.Now(), 1)
		ended <- err
	}()
	eventually(t, "somebody waits", func() bool {
		b.Catalog.mu.RLock()
		defer b.Catalog.mu.RUnlock()
		return b.packs[name{"prod", "cp-4"}].completion != nil
	})
	b.watch(a)
	if err := <-ended; fault.Of(err) != fault.NotFound {
		t.Errorf("a pack that is no longer watched: %v", err)
	}
}
