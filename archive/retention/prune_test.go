package retention_test

import (
	"context"
	"crypto/sha256"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/retention"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// some are packs with reports that are old enough, and others: cp-2 has ended, and its
// newest stays.
var some = map[string][]int{"cp-1": {100, 95, 91, 89, 1}, "cp-2": {97, 96}, "ca-1/cp-3": {92, 2}}

var gone = []string{"ca-1/cp-3 92", "cp-1 100", "cp-1 91", "cp-1 95", "cp-2 97"}

// TestPrune: reports go, after the ledger says so, and nothing else.
func TestPrune(t *testing.T) {
	t.Parallel()
	r := newRig(t, some)
	before := []map[string]string{objects(t, r.memories[0]), objects(t, r.memories[1])}
	p := r.start(t, nil)
	plan, err := p.Plan(t.Context())
	if diff := cmp.Diff(gone, planned(plan)); err != nil || diff != "" || plan.Policy || plan.Unexplained != len(gone) || len(plan.Kept) != 0 {
		t.Fatalf("plan: %v, %+v\n%s", err, plan, diff)
	}
	if _, err := p.Prune(t.Context(), 0); fault.Of(err) != fault.Request || !strings.Contains(fault.Hint(err), "--expect 5") {
		t.Errorf("a backlog: %v, hint %q", err, fault.Hint(err))
	}
	if _, err := p.Prune(t.Context(), 4); fault.Of(err) != fault.Request {
		t.Errorf("another number: %v", err)
	}
	if diff := cmp.Diff(before[0], objects(t, r.memories[0])); diff != "" {
		t.Errorf("what was refused changed something:\n%s", diff)
	}
	result, err := p.Prune(t.Context(), 5)
	if err != nil || result.Removed != 5 {
		t.Fatalf("%v, %+v", err, result)
	}
	entries := p.entries(t)
	for i, m := range r.memories {
		now := objects(t, m)
		for key, b := range before[i] {
			s, name, ok := evidence.ParseKey(key)
			removed := ok && name != evidence.ManifestName && slices.Contains(gone, short(s))
			if _, has := now[key]; has == removed {
				t.Errorf("sink %d has %s: %t", i, key, has)
			}
			if e := (tree.Entry{Sum: sha256.Sum256([]byte(b)), Key: tree.PrunedKey(key)}); slices.Contains(entries, e) != removed {
				t.Errorf("%v is in the ledger: %t", e, !removed)
			}
		}
	}
	policy := slices.IndexFunc(entries, func(e tree.Entry) bool { return e.Kind() == tree.Policy })
	first := slices.IndexFunc(entries, func(e tree.Entry) bool { return e.Kind() == tree.Pruned })
	if policy < 0 || policy > first {
		t.Errorf("the policy is entry %d, the first removal %d", policy, first)
	}
	pruned, err := retention.Pruned(p.ledger.Entries(t.Context()))
	if err != nil || len(pruned) != 5 {
		t.Errorf("%v, %v", pruned, err)
	}
	// There is nothing left to do, nor to say.
	if again, err := r.start(t, nil).Prune(t.Context(), 0); err != nil || again.Removed != 0 || len(again.Reports) != 0 || !again.Policy {
		t.Errorf("again: %v, %+v", err, again)
	}
	if n := len(p.entries(t)); n != len(entries) {
		t.Errorf("%d entries, %d before", n, len(entries))
	}
}

// TestExplained: what falls out of the time is removed without a question; what the
// schedule does not explain, as after the clock has jumped, is not.
func TestExplained(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string][]int{"cp-1": {91, 89, 88, 1}})
	p := r.start(t, nil)
	if _, err := p.Prune(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	p.imports(t, slot("cp-1", 90))
	if got, err := p.Prune(t.Context(), 0); err != nil || got.Removed != 1 {
		t.Errorf("the next: %v, %+v", err, got)
	}
	for _, ago := range []int{140, 200, 1000} { // as much as if time had passed
		p.imports(t, slot("cp-1", ago))
	}
	got, err := p.Prune(t.Context(), 0)
	if fault.Of(err) != fault.Request || got.Unexplained != 3 || got.Removed != 0 || len(reports(t, r.memories[0])) != 6 {
		t.Errorf("more: %v, %+v, left %v", err, got, reports(t, r.memories[0]))
	}
}

// TestShortened: a policy that is made shorter needs somebody who says so, and counts
// from its own place in the ledger.
func TestShortened(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string][]int{"cp-1": {200, 91, 80, 40, 1}})
	p := r.start(t, nil)
	if _, err := p.Prune(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	shorter, err := evidence.ParseKeep("30d")
	if err != nil {
		t.Fatal(err)
	}
	p.Pruner.Keep = shorter
	if plan, err := p.Plan(t.Context()); err != nil || plan.Policy || len(plan.Reports) != 2 || plan.Unexplained != 1 {
		t.Errorf("%v, %+v", err, plan)
	}
	if _, err := p.Prune(t.Context(), 0); fault.Of(err) != fault.Request {
		t.Errorf("got %v", err)
	}
	if _, err := p.Prune(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	var kinds []tree.Kind
	for _, e := range p.entries(t) {
		if k := e.Kind(); k == tree.Policy || k == tree.Pruned {
			kinds = append(kinds, k)
		}
	}
	if want := []tree.Kind{"policy", "pruned", "pruned", "policy", "pruned", "pruned"}; !slices.Equal(kinds, want) {
		t.Errorf("got %v", kinds)
	}
}

// TestFirst: where the policy was logged before any report was old enough, the first
// ones go by themselves.
func TestFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string][]int{"cp-1": {89, 1}})
	p := r.start(t, nil)
	if err := p.Announce(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := len(p.entries(t))
	if err := p.Announce(t.Context()); err != nil || len(p.entries(t)) != n {
		t.Errorf("the same policy is logged twice, %v", err)
	}
	synctest.Test(t, func(t *testing.T) { // whose time is that of 2000: nothing is old
		plan, err := p.Plan(t.Context())
		if err != nil || len(plan.Reports) != 0 {
			t.Errorf("%v, %+v", err, plan)
		}
	})
}

// TestPolicyRenewed: before reports go by an old policy, the same one is logged again; it
// explains the same reports as the first one, also where the run was interrupted then.
func TestPolicyRenewed(t *testing.T) {
	t.Parallel()
	for name, ages := range map[string][]int{"old": {200}, "interrupted": {200, 1}} {
		r := newRig(t, map[string][]int{"cp-1": {100, 95, 1}})
		p := r.start(t, nil)
		for _, days := range ages {
			since := time.Now().AddDate(0, 0, -days).UTC().Truncate(time.Second)
			if err := p.ledger.LogRecord(t.Context(), evidence.Policy{Keep: "90d", Since: since, Tool: "packseal/test"}); err != nil {
				t.Fatal(err)
			}
			if err := p.ledger.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Announce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := p.Prune(t.Context(), 0); err != nil || got.Removed != 2 || got.Unexplained != 0 {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
		var kinds []tree.Kind
		for _, e := range p.entries(t) {
			if k := e.Kind(); k == tree.Policy || k == tree.Pruned {
				kinds = append(kinds, k)
			}
		}
		if want := []tree.Kind{"policy", "policy", "pruned", "pruned"}; !slices.Equal(kinds, want) {
			t.Errorf("%s: got %v", name, kinds)
		}
	}
}

// TestUnlogged: a report whose manifest somebody put into the sinks, past the ledger,
// stays, and is not what others are compared with.
func TestUnlogged(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string][]int{"cp-1": {91, 1}})
	other := newRig(t, map[string][]int{"cp-1": {20_000}})
	for key, b := range objects(t, other.memories[0]) {
		if strings.HasPrefix(key, "prod/") {
			for _, m := range r.memories {
				if err := m.Put(t.Context(), key, sink.Bytes([]byte(b))); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	p := r.start(t, nil)
	if err := p.ledger.LogRecord(t.Context(), evidence.Policy{Keep: "90d", Since: time.Now().AddDate(0, 0, -100).UTC().Truncate(time.Second), Tool: "packseal/test"}); err != nil {
		t.Fatal(err)
	}
	got, err := p.Prune(t.Context(), 0)
	if err != nil || got.Removed != 1 || len(got.Kept) != 1 || short(got.Kept[0].Slot) != "cp-1 20000" || !strings.Contains(got.Kept[0].Why, "no entry") {
		t.Errorf("%v, %+v", err, got)
	}
	if left := reports(t, r.memories[0]); !slices.Equal(left, []string{"cp-1 1", "cp-1 20000"}) {
		t.Errorf("left %v", left)
	}
}

// TestLocked: what a sink keeps locked stays in all of them, and the ledger says
// nothing of it.
func TestLocked(t *testing.T) {
	t.Parallel()
	for name, lock := range map[string]sink.Lock{
		"retention":  {Mode: "COMPLIANCE", Until: time.Now().Add(time.Hour)},
		"legal hold": {Hold: true},
		"both":       {Mode: "GOVERNANCE", Until: time.Now().Add(-time.Hour), Hold: true},
	} {
		r := newRig(t, map[string][]int{"cp-1": {100, 95, 1}})
		p := r.start(t, nil)
		m, _, err := p.Manifest(t.Context(), slot("cp-1", 100))
		if err != nil {
			t.Fatal(err)
		}
		r.memories[1].SetLock(m.ReportKey(), lock)
		got, err := p.Prune(t.Context(), 1)
		if err != nil || got.Removed != 1 || len(got.Kept) != 1 || got.Kept[0].Sink != "sink1" || short(got.Kept[0].Slot) != "cp-1 100" {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
		for _, memory := range r.memories {
			if left := reports(t, memory); !slices.Equal(left, []string{"cp-1 1", "cp-1 100"}) {
				t.Errorf("%s: left %v", name, left)
			}
		}
		if slices.ContainsFunc(p.entries(t), func(e tree.Entry) bool { return e.Key == tree.PrunedKey(m.ReportKey()) }) {
			t.Errorf("%s: the ledger has it as pruned", name)
		}
	}
}

// TestKept: a report whose manifest can't be read stays, and so does one that the
// ledger has another of.
func TestKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string][]int{"cp-1": {100, 95, 1}})
	p := r.start(t, nil)
	m, _, err := p.Manifest(t.Context(), slot("cp-1", 100))
	if err != nil {
		t.Fatal(err)
	}
	for _, memory := range r.memories {
		if err := memory.DeleteObject(t.Context(), m.Slot().ManifestKey()); err != nil {
			t.Fatal(err)
		}
		if err := memory.Put(t.Context(), m.Slot().ManifestKey(), sink.Bytes([]byte("{}"))); err != nil {
			t.Fatal(err)
		}
	}
	other, _, err := p.Manifest(t.Context(), slot("cp-1", 95))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.ledger.Log(tree.Of(tree.PrunedKey(other.ReportKey()), []byte("x")), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	plan, err := p.Plan(t.Context())
	if err != nil || len(plan.Reports) != 0 || len(plan.Kept) != 2 {
		t.Errorf("%v, %+v", err, plan)
	}
}

// TestSinkDown: while one sink can't be asked, nothing is removed from the others.
func TestSinkDown(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string][]int{"cp-1": {100, 1}})
	p := r.start(t, nil)
	if err := p.Announce(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Archive.Sinks[1].Sink = dying{r.memories[1], &life{}}
	if _, err := p.Prune(t.Context(), 1); fault.Of(err) != fault.SinkUnavailable {
		t.Errorf("got %v", err)
	}
	if left := reports(t, r.memories[0]); len(left) != 2 {
		t.Errorf("left %v", left)
	}
}

// TestNew: there is no pruning without a ledger, or without a time.
func TestNew(t *testing.T) {
	t.Parallel()
	p := newRig(t, nil).start(t, nil)
	for name, change := range map[string]func(*retention.Options){
		"no ledger": func(o *retention.Options) { o.Ledger = nil },
		"no keep":   func(o *retention.Options) { o.Keep = evidence.Keep{} },
	} {
		o := p.Pruner.Options
		change(&o)
		if _, err := retention.New(o); fault.Of(err) != fault.Request || fault.Hint(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, fault.Hint(err))
		}
	}
}

// busy is a ledger to which another process appends.
type busy struct {
	retention.Ledger
	times int
}

func (b *busy) Commit(context.Context) error {
	if b.times--; b.times >= 0 {
		return fault.New(fault.Busy, "another process appends to the ledger")
	}
	return nil
}

func (*busy) LogRecord(context.Context, ledger.Record) error { return nil }

func (*busy) Entries(context.Context) iter.Seq2[tree.Entry, error] {
	return func(func(tree.Entry, error) bool) {}
}

// TestBusy: another process at the ledger is waited for, not for ever.
func TestBusy(t *testing.T) {
	t.Parallel()
	p := newRig(t, nil).start(t, nil)
	for times, want := range map[int]fault.Reason{3: "", 1000000: fault.Busy} {
		synctest.Test(t, func(t *testing.T) {
			o := p.Pruner.Options
			o.Ledger = &busy{times: times}
			pruner, err := retention.New(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := pruner.Announce(t.Context()); fault.Of(err) != want {
				t.Errorf("busy %d times: %v", times, err)
			}
		})
	}
}
