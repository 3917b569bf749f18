package archive_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// listen collects what the catalog tells.
func (h *rig) listen() (told func() []string) {
	var mu sync.Mutex
	var all []string
	h.observe = func(e catalog.Event) {
		h.Status(e.Source, e.Pack) // must not be held by the caller
		mu.Lock()
		defer mu.Unlock()
		all = append(all, string(e.State)+" "+string(e.Reason)+" "+e.Due.Format(time.TimeOnly))
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		taken := all
		all = nil
		return taken
	}
}

// TestTellsOfSettledSlots: each slot that ends is told once, and what the next
// process reads back is told to that one, in the order of the slots.
func TestTellsOfSettledSlots(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	told := h.listen()
	at := due()
	after := func(seconds time.Duration) time.Time { return at.Add(seconds * time.Second) }
	for _, s := range []time.Duration{-1, -3, -1} {
		if err := h.Gap(t.Context(), slot("cp-1", after(s)), fault.Missed, ""); err != nil {
			t.Fatal(err)
		}
	}
	h.settle(t, at)
	gap := func(seconds time.Duration) string { return "gap missed " + after(seconds).Format(time.TimeOnly) }
	sealed := "sealed  " + at.Format(time.TimeOnly)
	if diff := cmp.Diff([]string{gap(-1), gap(-3), sealed}, told()); diff != "" {
		t.Error(diff)
	}
	h.settle(t, at)
	if again := told(); len(again) > 0 {
		t.Errorf("told again: %v", again)
	}

	next := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, h.sinks...)
	told = next.listen()
	next.load(t)
	if diff := cmp.Diff([]string{gap(-3), gap(-1), sealed}, told()); diff != "" {
		t.Error(diff)
	}
}

// replica is one of several archivers on the same sink; news is what it has
// published.
type replica struct {
	*rig
	news []catalog.Event
}

func newReplica(t *testing.T, shared archive.Target) *replica {
	t.Helper()
	r := &replica{rig: newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, shared)}
	r.observe = func(e catalog.Event) {
		if e.Local {
			r.news = append(r.news, wire(t, e))
		}
	}
	return r
}

// wire is an event as another replica gets it.
func wire(t *testing.T, e catalog.Event) (got catalog.Event) {
	t.Helper()
	b, err := json.Marshal(e)
	if err == nil {
		err = json.Unmarshal(b, &got)
	}
	if err != nil {
		t.Error(err)
	}
	return got
}

// gap records a gap in the slot.
func (r *replica) gap(t *testing.T, due time.Time) {
	t.Helper()
	if err := r.Gap(t.Context(), slot("cp-1", due), fault.Missed, "down"); err != nil {
		t.Fatal(err)
	}
}

// same fails the test unless both count the same.
func (r *replica) same(t *testing.T, other *replica) {
	t.Helper()
	st, want := r.Status("prod", "cp-1"), other.Status("prod", "cp-1")
	if st.Sealed != want.Sealed || st.Gaps != want.Gaps || !st.LastSealed.Due.Equal(want.LastSealed.Due) || !st.LastGap.Due.Equal(want.LastGap.Due) {
		t.Errorf("%d sealed until %v, %d gaps until %v; the other says %d until %v, %d until %v", st.Sealed, st.LastSealed.Due, st.Gaps, st.LastGap.Due,
			want.Sealed, want.LastSealed.Due, want.Gaps, want.LastGap.Due)
	}
	r.counted(t, fmt.Sprint(want.Sealed), fmt.Sprint(want.Gaps))
}

// TestReplicas: what another replica publishes counts once, in whatever order it
// comes and however often. What is lost on the way is noticed, and found in the
// sinks.
func TestReplicas(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			shared := archive.Target{Name: "shared", Sink: sink.NewMemory()}
			a, b := newReplica(t, shared), newReplica(t, shared)
			at := due().Add(-100 * time.Hour)
			for range random.IntN(3) {
				a.gap(t, at)
				at = at.Add(time.Hour)
			}
			if random.IntN(2) == 0 { // what it is told before it has read the sinks
				for _, n := range a.news {
					b.catalog.Observe(n)
				}
			}
			a.load(t)
			b.load(t)
			b.same(t, a)
			a.news = nil
			for range 5 + random.IntN(90) {
				a.gap(t, at)
				at = at.Add(time.Minute)
			}
			a.settle(t, at)

			heard := slices.Clone(a.news)
			lost := random.IntN(3)
			for range lost {
				i := random.IntN(len(heard))
				heard = slices.Delete(heard, i, i+1)
			}
			heard = append(heard, heard[:random.IntN(len(heard))]...)
			random.Shuffle(len(heard), func(i, j int) { heard[i], heard[j] = heard[j], heard[i] })
			for _, n := range heard {
				b.catalog.Observe(n)
			}
			if some, latest := b.catalog.Behind("prod", "cp-1", at); !some && !latest {
				b.same(t, a)
			} else if lost == 0 {
				t.Error("it is behind, although nothing was lost")
			}
			if err := b.catalog.Refresh(t.Context(), "prod", "cp-1"); err != nil {
				t.Fatal(err)
			}
			b.same(t, a)
			if some, latest := b.catalog.Behind("prod", "cp-1", at); some || latest {
				t.Error("it is behind after it has asked the sinks")
			}
		})
	}
}

// TestEvidenceForAGap: a report that is sealed where there was a gap takes its
// place.
func TestEvidenceForAGap(t *testing.T) {
	t.Parallel()
	shared := archive.Target{Name: "shared", Sink: sink.NewMemory()}
	a, b := newReplica(t, shared), newReplica(t, shared)
	a.load(t)
	at := due()
	// b has the report in its spool when the other records a gap.
	b.observe = func(e catalog.Event) { a.catalog.Observe(wire(t, e)) }
	if entry, err := b.Spool.Lock(t.Context(), slot("cp-1", at)); err != nil {
		t.Fatal(err)
	} else if _, err := b.Fetch(t.Context(), entry, slot("cp-1", at)); err != nil {
		t.Fatal(err)
	} else if err := entry.Close(); err != nil {
		t.Fatal(err)
	}
	a.gap(t, at)
	if st := a.Status("prod", "cp-1"); st.Gaps != 1 {
		t.Errorf("%d gaps", st.Gaps)
	}
	b.settle(t, at)
	if st := a.Status("prod", "cp-1"); st.Sealed != 1 || st.Gaps != 0 {
		t.Errorf("%d sealed, %d gaps", st.Sealed, st.Gaps)
	}
}

// TestGapOfAnother: who would record a gap that another replica has recorded, or
// whose slot that one has sealed, learns of it, though no broadcast came.
func TestGapOfAnother(t *testing.T) {
	t.Parallel()
	shared := archive.Target{Name: "shared", Sink: sink.NewMemory()}
	a, b := newReplica(t, shared), newReplica(t, shared)
	at := due()
	a.gap(t, at.Add(-time.Hour))
	a.settle(t, at)
	a.load(t)
	for n := range 2 {
		b.gap(t, at.Add(-time.Duration(n)*time.Hour))
	}
	for _, e := range b.news {
		t.Errorf("it says that it has settled %s", e.ID())
	}
	if st := b.Status("prod", "cp-1"); st.LastGap != a.Status("prod", "cp-1").LastGap || st.LastSealed != a.Status("prod", "cp-1").LastSealed {
		t.Errorf("it knows %+v", st)
	}
}
