package catalog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// TestRequestsAtStart: with the database a pack costs one listing at most, and
// without it one until the scheduler knows whether its latest slot is settled.
func TestRequestsAtStart(t *testing.T) {
	t.Parallel()
	const days = 4 * 365
	a := newArchive()
	a.history("cp-1", days)
	b := inFolder(t, a, "cp-1")
	for range 2 {
		if ok, err := b.Settled(t.Context(), slotOf("cp-1", days-1)); !ok || err != nil {
			t.Fatalf("settled: %t, %v", ok, err)
		}
	}
	if lists, gets := a.requests(); lists != 1 || gets != 0 {
		t.Errorf("without a database: %d lists, %d reads", lists, gets)
	}
	if st := b.Status("prod", "cp-1"); st.Complete || st.Sealed != 1 {
		t.Errorf("status is %+v", st)
	}
	b.complete(t, "cp-1")
	if lists, _ := a.requests(); lists > 7 {
		t.Errorf("the history of five years took %d lists", lists)
	}
	b.close()

	a.set(sealedRecord("cp-1", days), sealedRecord("cp-1", 5)) // the one was a gap
	again := open(t, b.file, a, "cp-1")
	if ok, err := again.Settled(t.Context(), slotOf("cp-1", days-1)); !ok || err != nil {
		t.Errorf("settled: %t, %v", ok, err)
	}
	if lists, gets := a.requests(); lists != 1 || gets != 0 {
		t.Errorf("with the database, an answer costs %d lists, %d reads", lists, gets)
	}
	for n, want := range map[int]bool{days: true, days + 1: false} {
		if ok, err := again.Settled(t.Context(), slotOf("cp-1", n)); ok != want || err != nil {
			t.Errorf("slot %d is settled: %t, %v", n, ok, err)
		}
	}
	again.complete(t, "cp-1")
	if lists, gets := a.requests(); lists != 0 || gets != 1 {
		t.Errorf("after that: %d lists, %d reads; want none and one", lists, gets)
	}
	if st := again.Status("prod", "cp-1"); st.LastSealed != sealedRecord("cp-1", days) {
		t.Errorf("the latest is %s", st.LastSealed.ID())
	}
}

// TestArchiveDecides: what the database holds is no proof that a slot needs no
// more work, nor that all is known: the archive is asked at least once.
func TestArchiveDecides(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.history("cp-1", 400)
	b := inFolder(t, a, "cp-1")
	b.complete(t, "cp-1")
	b.close()
	a.remove(slotOf("cp-1", 399))
	a.remove(slotOf("cp-1", 3))
	again := open(t, b.file, a, "cp-1")
	for _, n := range []int{399, 3} {
		if ok, err := again.Settled(t.Context(), slotOf("cp-1", n)); ok || err != nil {
			t.Errorf("slot %d, which is gone, is settled: %t, %v", n, ok, err)
		}
	}
	again.close()
	a.down = fault.New(fault.SinkUnavailable, "down")
	third := open(t, b.file, a, "cp-1")
	if _, err := third.Settled(t.Context(), slotOf("cp-1", 398)); fault.Of(err) != fault.SinkUnavailable {
		t.Errorf("nobody can be asked: %v", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := third.LastSettled(ctx, "prod", "cp-1", time.Now(), 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody was asked: %v", err)
	}
}

// TestNewestFirst: the newest year of every pack is listed before any older one.
func TestNewestFirst(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.history("cp-1", 3*365)
	b := inFolder(t, a, "cp-1")
	b.complete(t, "cp-1")
	want := []string{"0001"} // where does it begin?
	for y := time.Now().UTC().Year(); y > start.Year(); y-- {
		want = append(want, fmt.Sprint(y))
	}
	want = append(want, "0001")
	if diff := cmp.Diff(want, a.ranges); diff != "" {
		t.Error(diff)
	}
	b.agrees(t, a, "cp-1")
	if dues, err := b.LastSettled(t.Context(), "prod", "cp-1", time.Now(), 3*365+1); err != nil || len(dues) != 3*365 || !dues[3*365-1].Equal(start) {
		t.Errorf("%d are settled: %v", len(dues), err)
	}
	if dues, err := b.LastSettled(t.Context(), "prod", "cp-1", slotOf("cp-1", 9).Due, 2); err != nil || len(dues) != 2 ||
		!dues[0].Equal(slotOf("cp-1", 8).Due) || !dues[1].Equal(slotOf("cp-1", 7).Due) {
		t.Errorf("before the tenth, the last two are %v, %v", dues, err)
	}
}

// TestInterrupted: a history that was read in part is gone on with.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.history("cp-1", 900)
	b := inFolder(t, a, "cp-1")
	b.run()
	eventually(t, "some of it is read", func() bool { return b.Status("prod", "cp-1").Sealed > 0 })
	b.close()
	again := open(t, b.file, a, "cp-1")
	again.complete(t, "cp-1")
	again.agrees(t, a, "cp-1")
}

// TestSinksDown: while no sink can be listed nothing is known, and nothing is
// believed to be gone; when one of them is down, what the others hold counts,
// and what it holds itself is found when it is back.
func TestSinksDown(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.history("cp-1", 50)
	b := inFolder(t, a, "cp-1")
	a.down = fault.New(fault.SinkUnavailable, "down")
	if _, err := b.Settled(t.Context(), slotOf("cp-1", 49)); fault.Of(err) != fault.SinkUnavailable {
		t.Errorf("got %v", err)
	}
	b.run()
	eventually(t, "it is tried", func() bool { lists, _ := a.requests(); return lists > 0 })
	b.stop()
	if st := b.Status("prod", "cp-1"); st.Complete || st.Sealed != 0 {
		t.Errorf("status is %+v", st)
	}
	for _, r := range a.all("cp-1") {
		b.Observe(Event{Record: r})
	}
	hidden := sealedRecord("cp-1", 20)
	a.mu.Lock()
	a.down, a.partial = nil, true
	delete(a.records, hidden.Slot)
	a.mu.Unlock()
	b.complete(t, "cp-1")
	if st := b.Status("prod", "cp-1"); !st.Complete || st.Sealed != 45 || st.Gaps != 5 {
		t.Errorf("status is %+v", st)
	}
	a.set(hidden, sealedRecord("cp-1", 50))
	a.mu.Lock()
	a.partial = false
	a.mu.Unlock()
	b.run()
	eventually(t, "the sink is back", func() bool { return b.Status("prod", "cp-1").Sealed == 46 })
	b.stop()
	b.agrees(t, a, "cp-1")
}

// TestVanished: what the archive does not hold any more does not count, and is
// remembered.
func TestVanished(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.history("cp-1", 40)
	b := inFolder(t, a, "cp-1")
	b.complete(t, "cp-1")
	a.remove(slotOf("cp-1", 39)) // the latest sealed,
	a.remove(slotOf("cp-1", 35)) // the latest gap,
	a.remove(slotOf("cp-1", 0))  // the first,
	a.remove(slotOf("cp-1", 20)) // one in between,
	gap := gapRecord("cp-1", 30)
	a.set(gap) // and one whose manifest is gone, beside its gap record
	b.close()
	b = open(t, b.file, a, "cp-1")
	b.complete(t, "cp-1")
	b.agrees(t, a, "cp-1")
	if dues, _ := b.LastSettled(t.Context(), "prod", "cp-1", slotOf("cp-1", 2).Due, 2); len(dues) != 1 || !dues[0].Equal(slotOf("cp-1", 1).Due) {
		t.Errorf("the first are %v", dues)
	}
	if ok, err := b.Settled(t.Context(), slotOf("cp-1", 20)); ok || err != nil {
		t.Errorf("what vanished is settled: %t, %v", ok, err)
	}
	lost := 0
	for l, err := range b.Seen(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := a.records[l.Slot]; !ok || r.State != l.State {
			lost++
		}
	}
	if lost != 5 {
		t.Errorf("%d of 5 are remembered", lost)
	}
	a.set(sealedRecord("cp-1", 20), sealedRecord("cp-1", 30))
	b.Observe(Event{Record: sealedRecord("cp-1", 20)})
	b.Observe(Event{Record: sealedRecord("cp-1", 30)})
	b.agrees(t, a, "cp-1")
}

// TestReplicas: what another replica tells counts once, in whatever order it
// comes and however often. What is lost on the way is noticed and found.
func TestReplicas(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 0))
		a := newArchive()
		a.history("cp-1", random.IntN(300))
		ours, theirs := inFolder(t, a, "cp-1"), inFolder(t, a, "cp-1")
		ours.complete(t, "cp-1")
		theirs.complete(t, "cp-1")
		ours.events = nil
		n := 300
		for ; n < 305+random.IntN(90); n++ {
			r := gapRecord("cp-1", n)
			if random.IntN(2) == 0 {
				r = sealedRecord("cp-1", n)
			}
			a.set(r)
			ours.Observe(Event{Record: r, Local: true})
		}
		if random.IntN(3) == 0 { // a late one, from before what a start lists again
			r := sealedRecord("cp-1", -7)
			a.set(r)
			ours.Observe(Event{Record: r, Local: true})
		}
		events := append([]Event(nil), ours.events...)
		lost := random.IntN(3)
		for range lost {
			i := random.IntN(len(events))
			events = append(events[:i], events[i+1:]...)
		}
		events = append(events, events[:random.IntN(len(events))]...)
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		for _, e := range events {
			e.Local = false
			theirs.Observe(e)
		}
		newest := slotOf("cp-1", n-1).Due
		if some, latest := theirs.Behind("prod", "cp-1", newest); (some || latest) != (lost > 0) {
			t.Errorf("%d were lost, and it is behind: %t, %t", lost, some, latest)
		}
		if err := theirs.Refresh(t.Context(), "prod", "cp-1"); err != nil {
			t.Fatal(err)
		}
		theirs.agrees(t, a, "cp-1")
		if some, latest := theirs.Behind("prod", "cp-1", newest); some || latest {
			t.Error("it is behind after it has asked the archive")
		}
		if some, latest := theirs.Behind("prod", "cp-1", newest.Add(time.Second)); some || !latest {
			t.Errorf("of a later slot, it is behind: %t, %t", some, latest)
		}
	}
}

// TestEvidenceForAGap: a report that is sealed where there was a gap takes its
// place, also when only the archive tells.
func TestEvidenceForAGap(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.set(gapRecord("cp-1", 0), gapRecord("cp-1", 1))
	b := inFolder(t, a, "cp-1")
	b.complete(t, "cp-1")
	a.set(sealedRecord("cp-1", 0), sealedRecord("cp-1", 1))
	b.Observe(Event{Record: sealedRecord("cp-1", 1)})
	b.Observe(Event{Record: gapRecord("cp-1", 1)}) // late
	if st := b.Status("prod", "cp-1"); st.Sealed != 1 || st.Gaps != 1 || st.LastGap.Due != start {
		t.Errorf("status is %+v", st)
	}
	if err := b.Refresh(t.Context(), "prod", "cp-1"); err != nil {
		t.Fatal(err)
	}
	b.agrees(t, a, "cp-1")
	if st := b.Status("prod", "cp-1"); st.LastGap != (evidence.Record{}) {
		t.Errorf("the last gap is %+v", st.LastGap)
	}
}
