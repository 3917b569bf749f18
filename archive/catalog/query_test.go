package catalog

import (
	order "cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// TestQueries holds random queries against a plain search of the archive.
func TestQueries(t *testing.T) {
	t.Parallel()
	a := newArchive()
	packs := []string{"cp-1", "cp-2", "ca-1/cp-3", "cp-none"}
	for i, n := range []int{400, 40, 233} {
		a.history(packs[i], n)
	}
	a.set(sealedRecord("cp-unwatched", 3))
	b := inFolder(t, a, packs...)
	for _, p := range packs {
		b.complete(t, p)
		b.agrees(t, a, p)
	}
	random := rand.New(rand.NewPCG(1, 1))
	some := func(of ...string) string { return of[random.IntN(len(of))] }
	when := func() time.Time {
		if random.IntN(3) == 0 {
			return time.Time{}
		}
		return start.Add(time.Duration(random.Int64N(420*24*3600)) * time.Second)
	}
	for range 120 {
		q := Query{
			Source: some("", "prod"), State: evidence.State(some("", "sealed", "gap")), From: when(), To: when(),
			Oldest: random.IntN(2) == 0, Limit: []int{0, 1, 7, 256, 257, 600}[random.IntN(6)],
		}
		if q.Source != "" {
			q.Pack = some("", packs[0], packs[1], packs[2], packs[3])
		}
		if diff := cmp.Diff(b.search(a, q), b.collect(t, q)); diff != "" {
			t.Fatalf("%+v: %s", q, diff)
		}
		if q.Pack == "" {
			continue
		}
		var want []time.Time
		for _, r := range b.search(a, Query{Source: q.Source, Pack: q.Pack, Oldest: true}) {
			if r.Due.After(q.From) && !r.Due.After(q.To) {
				want = append(want, r.Due)
			}
		}
		var got []time.Time
		for due, err := range b.SettledBetween(t.Context(), q.Source, q.Pack, q.From, q.To) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, due)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("settled in (%s, %s]: %s", q.From, q.To, diff)
		}
	}
	for _, err := range b.Records(t.Context(), Query{Source: "prod", Pack: "cp-unwatched"}) {
		if fault.Of(err) != fault.NotFound {
			t.Errorf("a pack that is not watched: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range b.Records(ctx, Query{}) {
		if fault.Of(err) != fault.Canceled {
			t.Errorf("a query that was canceled: %v", err)
		}
	}
}

// search is what Records is to yield.
func (b *bench) search(a *fakeArchive, q Query) (found []evidence.Record) {
	for s, r := range a.records {
		if b.find(s.Source, s.Pack) != nil && (q.Pack == "" || s.Pack == q.Pack) && (q.State == "" || r.State == q.State) &&
			!s.Due.Before(q.From) && (q.To.IsZero() || s.Due.Before(q.To)) {
			found = append(found, r)
		}
	}
	id := func(r evidence.Record) int64 { return b.find(r.Source, r.Pack).id }
	slices.SortFunc(found, func(x, y evidence.Record) int { return order.Or(x.Due.Compare(y.Due), int(id(x)-id(y))) })
	if !q.Oldest {
		slices.Reverse(found)
	}
	if q.Limit > 0 {
		found = found[:min(len(found), q.Limit)]
	}
	return found
}

// TestQueriesUseIndexes: none of the queries sorts, or reads more than it yields.
func TestQueriesUseIndexes(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.history("cp-1", 30)
	b := inFolder(t, a, "cp-1")
	b.complete(t, "cp-1")
	for _, pack := range []string{"", "cp-1"} {
		for _, state := range []evidence.State{"", evidence.Sealed, evidence.Gapped} {
			for _, oldest := range []bool{false, true} {
				b.collect(t, Query{Source: "prod", Pack: pack, State: state, Oldest: oldest, Limit: 1})
			}
		}
	}
	if _, err := b.Settled(t.Context(), slotOf("cp-1", 3)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for text := range b.store.stmts.reader {
		rows, err := b.store.readers.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "?"))...)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(detail, "SEARCH") {
				t.Errorf("%s: %s", text, detail)
			}
			n++
		}
		rows.Close()
	}
	if n < 12 {
		t.Errorf("only %d plans were looked at", n)
	}
}

// TestRecordsAreReadOnce: what a page shows costs a request for each sealed slot
// that nobody has asked for, and none the next time.
func TestRecordsAreReadOnce(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.history("cp-1", 500)
	b := inFolder(t, a, "cp-1")
	b.complete(t, "cp-1")
	if _, gets := a.requests(); gets != 51 {
		t.Errorf("%d records were read in the background, want those of 50 gaps and of the latest sealed slot", gets)
	}
	q := Query{Source: "prod", Pack: "cp-1", To: slotOf("cp-1", 300).Due, Limit: 100}
	for i, want := range []int{90, 0} {
		if n := len(b.collect(t, q)); n != 100 {
			t.Fatalf("%d records", n)
		}
		if lists, gets := a.requests(); gets != want || lists != 0 && i > 0 {
			t.Errorf("the page costs %d reads and %d lists, want %d reads", gets, lists, want)
		}
	}
	for range b.Records(t.Context(), Query{}) {
		break
	}
	if _, gets := a.requests(); gets > readNext {
		t.Errorf("one record costs %d reads", gets)
	}
}

// TestUnreadableRecords: a record that can't be read is in the way of no other,
// and counts.
func TestUnreadableRecords(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.history("cp-1", 20)
	newer := fault.New(fault.Newer, "schema packseal.manifest/v4 is newer").WithHint("upgrade")
	a.errs[slotOf("cp-1", 19)] = newer
	a.errs[slotOf("cp-1", 10)] = fault.New(fault.Damaged, "not JSON")
	a.errs[slotOf("cp-1", 15)] = fault.New(fault.Damaged, "a gap that is none")
	b := inFolder(t, a, "cp-1")
	b.complete(t, "cp-1")
	st := b.Status("prod", "cp-1")
	if st.Sealed != 18 || st.Gaps != 2 || st.LastSealed != (evidence.Record{Slot: slotOf("cp-1", 19), State: evidence.Sealed}) {
		t.Errorf("status is %+v", st)
	}
	if g := st.LastGap; g.Slot != slotOf("cp-1", 15) || g.Reason != fault.Damaged {
		t.Errorf("the last gap is %+v", g)
	}
	var bad []string
	n := 0
	for r, err := range b.Records(t.Context(), Query{}) {
		if n++; err != nil {
			bad = append(bad, fmt.Sprintf("%s %d %s %s", r.State, r.Due.Sub(start)/24/time.Hour, fault.Of(err), fault.Hint(err)))
		}
	}
	if diff := cmp.Diff([]string{"sealed 19 newer upgrade", "gap 15 damaged ", "sealed 10 damaged "}, bad); diff != "" || n != 20 {
		t.Errorf("%d records; %s", n, diff)
	}
}
