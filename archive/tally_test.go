package archive_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
	"packseal.example/sink"
)

// replica is one of several archivers on the same sink; news is what it has
// announced.
type replica struct {
	*house
	news []archive.News
}

func newReplica(t *testing.T, shared archive.Target) *replica {
	t.Helper()
	r := &replica{house: newHouse(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, shared)}
	r.Announce = func(n archive.News) { r.news = append(r.news, n) }
	return r
}

// gap records a gap in the slot.
func (r *replica) gap(t *testing.T, due time.Time) {
	t.Helper()
	if err := r.Gap(t.Context(), scheduler.Slot{Source: "prod", Pack: "cp-1", Due: due}, fault.Missed, "down"); err != nil {
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
	for name, n := range map[string]int{"packseal_slots_total": want.Sealed + want.Gaps, "packseal_gaps_total": want.Gaps} {
		if got := r.total(t, name); got != float64(n) {
			t.Errorf("%s sums up to %v, want %d", name, got, n)
		}
	}
}

// total is the sum of a metric's series.
func (h *house) total(t *testing.T, name string) (sum float64) {
	t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// TestHeard: what another replica announces counts once, in whatever order it
// comes and however often. What is lost on the way is noticed, and found in
// the sinks.
func TestHeard(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
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
			if random.IntN(2) == 0 { // what it heard before it has read the sinks
				for _, n := range a.news {
					b.Heard(n)
				}
			}
			a.load(t)
			b.load(t)
			b.same(t, a)
			a.news = nil
			slots := 5 + random.IntN(90)
			for range slots {
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
				b.Heard(n)
			}
			if stale := b.Stale("prod", "cp-1", at); !stale && lost == 0 {
				b.same(t, a)
			} else if !stale {
				t.Errorf("%d were lost, and nobody notices", lost)
			}
			if err := b.Refresh(t.Context(), "prod", "cp-1"); err != nil {
				t.Fatal(err)
			}
			b.same(t, a)
			if b.Stale("prod", "cp-1", at) {
				t.Error("it is stale after it has read the sinks")
			}
		})
	}
}

// TestHeardOfEvidence: a report that is sealed where there was a gap takes its
// place as soon as the sinks are read.
func TestHeardOfEvidence(t *testing.T) {
	t.Parallel()
	shared := archive.Target{Name: "shared", Sink: sink.NewMemory()}
	a, b := newReplica(t, shared), newReplica(t, shared)
	a.load(t)
	at := due()
	// b has the report in its spool when the other records a gap.
	b.Announce = func(n archive.News) { a.Heard(n) }
	if entry, err := b.Spool.Lock(t.Context(), slot("cp-1", at)); err != nil {
		t.Fatal(err)
	} else if _, err := b.Fetch(t.Context(), entry, slot("cp-1", at)); err != nil {
		t.Fatal(err)
	} else if err := entry.Close(); err != nil {
		t.Fatal(err)
	}
	a.gap(t, at)
	b.settle(t, at)
	if !a.Stale("prod", "cp-1", at) {
		t.Fatal("it does not notice")
	}
	if err := a.Refresh(t.Context(), "prod", "cp-1"); err != nil {
		t.Fatal(err)
	}
	if st := a.Status("prod", "cp-1"); st.Sealed != 1 || st.Gaps != 0 {
		t.Errorf("%d sealed, %d gaps", st.Sealed, st.Gaps)
	}
}
