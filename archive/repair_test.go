package archive_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/archive"
	"packseal.example/archive/ledger/tree"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/local"
)

// pair is an archive in two folders, with two sealed slots, of which one was a gap before,
// a gap, an acknowledgement, a plan and, if it is wanted, a ledger.
type pair struct {
	*rig
	a, b  string
	slots []evidence.Slot // two that are sealed, then the gap
	ack   string
}

func newPair(t *testing.T, withLedger bool) *pair {
	t.Helper()
	dir := t.TempDir()
	p := &pair{a: filepath.Join(dir, "a"), b: filepath.Join(dir, "b")}
	p.rig = newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, folder(t, "a", p.a), folder(t, "b", p.b))
	if withLedger {
		l := openLedger(t, p.sinks)
		p.Ledger, p.Entries = l, l.Entries
		defer func() {
			if err := l.Commit(t.Context()); err != nil {
				t.Error(err)
			}
		}()
	}
	at := due()
	for i := range 3 {
		p.slots = append(p.slots, slot("cp-1", at.Add(-time.Duration(i)*time.Hour)))
	}
	for _, s := range p.slots[1:] {
		if err := p.Gap(t.Context(), s, fault.Missed, ""); err != nil {
			t.Fatal(err)
		}
	}
	p.settle(t, p.slots[0].Due)
	report := strings.NewReader("rule,resource,result\n" + strings.Repeat("ecs-in-vpc,i-1,COMPLIANT\n", 100))
	if _, err := p.Import(t.Context(), p.slots[1], report, evidence.Imported{At: at, By: "Li Wei", File: "r.csv"}, fetcher.Settings{}); err != nil {
		t.Fatal(err)
	}
	ack, _, err := p.Acknowledge(t.Context(), evidence.Ack{Source: "prod", Pack: "cp-1", Due: p.slots[2].Due, Who: "Li Wei", Why: "known"})
	if err != nil {
		t.Fatal(err)
	}
	p.ack = ack.Key()
	plans, err := evidence.NewPlan([]evidence.PlannedPack{{Pack: "cp-1", Schedule: "@every 1h", Source: "prod", Zone: "UTC"}}, at, "packseal/test")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.PutPlan(t.Context(), plans[0]); err != nil {
		t.Fatal(err)
	}
	return p
}

// folder opens a local sink.
func folder(t *testing.T, name, dir string) archive.Target {
	t.Helper()
	s, err := (&local.Options{Dir: dir}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return archive.Target{Name: name, Sink: s}
}

// files returns what a folder holds of an archive, without the ledger, by key.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		key, err := filepath.Rel(dir, path)
		if err == nil && (!strings.HasPrefix(key, tree.Dir) || evidence.IsPlan(key)) {
			var b []byte
			b, err = os.ReadFile(path)
			all[key] = string(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// report is the key of a slot's report.
func (p *pair) report(t *testing.T, s evidence.Slot) string {
	t.Helper()
	m, _, err := p.Manifest(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return m.ReportKey()
}

// verified verifies without what the ledger's own objects would be taken for.
func (p *pair) verified(t *testing.T) archive.Result {
	t.Helper()
	r, err := p.Verify(t.Context(), archive.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	r.Problems = slices.DeleteFunc(r.Problems, func(p archive.Problem) bool { return p.Kind == archive.Orphaned && strings.HasPrefix(p.Key, tree.Dir) })
	return r
}

// TestRepair: what a sink lacks is copied to it from one that has it as it was vouched for;
// what is damaged stays as it is, and its problem says what to do.
func TestRepair(t *testing.T) {
	t.Parallel()
	remove := func(dir string, keys ...string) func(*testing.T) {
		return func(t *testing.T) {
			for _, key := range keys {
				if err := os.Remove(filepath.Join(dir, key)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	alter := func(dir, key string) func(*testing.T) {
		return func(t *testing.T) {
			if err := rewrite(filepath.Join(dir, key), "altered"); err != nil {
				t.Fatal(err)
			}
		}
	}
	const move = "sink b has a good copy; nothing is replaced: move this one away"
	for name, c := range map[string]struct {
		damage   func(t *testing.T, p *pair) []func(*testing.T)
		repaired int
		left     []string // kind, sink, and a part of the detail
		ledger   []string // where there is a ledger, if that is something else
	}{
		"nothing": {func(*testing.T, *pair) []func(*testing.T) { return nil }, 0, nil, nil},
		"a report lost": {func(t *testing.T, p *pair) []func(*testing.T) {
			return []func(*testing.T){remove(p.a, p.report(t, p.slots[0]))}
		}, 1, nil, nil},
		"a slot lost": {func(t *testing.T, p *pair) []func(*testing.T) {
			return []func(*testing.T){remove(p.b, p.report(t, p.slots[0]), p.slots[0].ManifestKey())}
		}, 2, nil, nil},
		"a gap record lost": {func(t *testing.T, p *pair) []func(*testing.T) {
			return []func(*testing.T){remove(p.b, p.slots[2].GapKey())}
		}, 1, nil, nil},
		"an acknowledgement lost":  {func(t *testing.T, p *pair) []func(*testing.T) { return []func(*testing.T){remove(p.b, p.ack)} }, 1, nil, nil},
		"one that the first lacks": {func(t *testing.T, p *pair) []func(*testing.T) { return []func(*testing.T){remove(p.a, p.ack)} }, 0, []string{"unmirrored a no sink has a copy"}, nil},
		"a report altered": {func(t *testing.T, p *pair) []func(*testing.T) {
			return []func(*testing.T){alter(p.a, p.report(t, p.slots[0]))}
		}, 0, []string{"altered a " + move}, nil},
		"a manifest altered": {func(t *testing.T, p *pair) []func(*testing.T) {
			return []func(*testing.T){alter(p.a, p.slots[0].ManifestKey())}
		}, 0, []string{"divergent b not known without a ledger", "malformed a " + move, "orphaned a no manifest"}, []string{"divergent b the ledger vouches for this one", "malformed a " + move, "orphaned a no manifest"}},
		"another manifest": {func(t *testing.T, p *pair) []func(*testing.T) {
			return []func(*testing.T){func(t *testing.T) {
				m, _, err := p.Manifest(t.Context(), p.slots[0])
				m.Tool = "thief/1"
				raw, err2 := evidence.Encode(m)
				if err := errors.Join(err, err2, rewrite(filepath.Join(p.a, p.slots[0].ManifestKey()), string(raw))); err != nil {
					t.Fatal(err)
				}
			}}
		}, 0, []string{"divergent b not known without a ledger"}, []string{"altered a the ledger has an entry of other bytes", "divergent b the ledger vouches for this one"}},
		"the only copy altered": {func(t *testing.T, p *pair) []func(*testing.T) {
			key := p.report(t, p.slots[0])
			return []func(*testing.T){alter(p.a, key), remove(p.b, key)}
		}, 0, []string{"altered a no sink has a copy", "missing b no sink has a copy"}, nil},
		"both altered": {func(t *testing.T, p *pair) []func(*testing.T) {
			key := p.report(t, p.slots[0])
			return []func(*testing.T){alter(p.a, key), alter(p.b, key)}
		}, 0, []string{"altered a no sink has a copy", "altered b no sink has a copy"}, nil},
		"another gap record": {func(t *testing.T, p *pair) []func(*testing.T) {
			return []func(*testing.T){remove(p.b, p.slots[2].GapKey()), func(t *testing.T) {
				raw, err := evidence.Encode(evidence.NewGap(p.slots[2], fault.Paused, "by a thief", due(), "packseal/test"))
				if err == nil {
					err = rewrite(filepath.Join(p.a, p.slots[2].GapKey()), string(raw))
				}
				if err != nil {
					t.Fatal(err)
				}
			}}
		}, 1, nil, []string{"altered a the ledger has an entry of other bytes"}},
	} {
		for _, withLedger := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, ledger %t", name, withLedger), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, withLedger)
				before, beforeB := files(t, p.a), files(t, p.b)
				if !maps.Equal(before, beforeB) || len(before) != 8 {
					t.Fatalf("at first the sinks have %d and %d objects", len(before), len(beforeB))
				}
				for _, do := range c.damage(t, p) {
					do(t)
				}
				damaged := files(t, p.a)
				want, left := c.repaired, c.left
				if withLedger && c.ledger != nil {
					left = c.ledger
					if len(c.left) == 0 {
						want = 0
					}
				}
				r := p.verified(t)
				if err := p.Repair(t.Context(), &r, archive.Repair{}); err != nil {
					t.Fatal(err)
				}
				got := problemsOf(r.Problems)
				if r.Repaired != want || !matches(got, left) {
					t.Errorf("%d objects were repaired, want %d; left: %q, want %q", r.Repaired, want, got, left)
				}
				if counted := testutil.CollectAndCount(p.reg, "packseal_repaired_objects_total"); counted != 2 {
					t.Errorf("%d series", counted)
				}
				for key, is := range damaged { // nothing was replaced
					if now := files(t, p.a)[key]; now != is {
						t.Errorf("%s was replaced", key)
					}
				}
				if len(left) == 0 && c.ledger == nil && (!maps.Equal(files(t, p.a), before) || !maps.Equal(files(t, p.b), before)) {
					t.Error("the sinks do not hold what they did")
				}
				if again := p.verified(t); len(again.Problems) != len(left) {
					t.Errorf("verified again: %+v", again.Problems)
				}
			})
		}
	}
}

// problemsOf is what problems say, as text.
func problemsOf(all []archive.Problem) (lines []string) {
	for _, p := range all {
		lines = append(lines, fmt.Sprintf("%s %s %s", p.Kind, p.Sink, p.Detail))
	}
	slices.Sort(lines)
	return lines
}

// matches reports whether each problem is the one wanted: its kind, its sink, and a part of
// its detail.
func matches(got, want []string) bool {
	return slices.EqualFunc(got, want, func(is, part string) bool {
		words := strings.SplitN(part, " ", 3)
		return strings.HasPrefix(is, words[0]+" "+words[1]+" ") && strings.Contains(is, words[2])
	})
}

// TestRepairsNothingUnlogged: where there is a ledger, what it has no entry of goes to no
// other sink; and while it can't be read, nothing does.
func TestRepairsNothingUnlogged(t *testing.T) {
	t.Parallel()
	p := newPair(t, true)
	thief := slot("cp-1", due().Add(-50*time.Hour))
	raw, err := evidence.Encode(evidence.NewGap(thief, fault.Missed, "", due(), "packseal/test"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.sinks[0].Put(t.Context(), thief.GapKey(), sink.Bytes(raw)); err != nil {
		t.Fatal(err)
	}
	r := p.verified(t)
	if err := p.Repair(t.Context(), &r, archive.Repair{}); err != nil {
		t.Fatal(err)
	}
	if got := problemsOf(r.Problems); r.Repaired != 0 || !matches(got, []string{"unlogged a the ledger has no entry of it"}) {
		t.Errorf("%d objects were repaired; %q", r.Repaired, got)
	}
	if err := os.Remove(filepath.Join(p.b, p.slots[2].GapKey())); err != nil {
		t.Fatal(err)
	}
	l := openLedger(t, p.sinks)
	p.Entries = l.Entries // which knows nothing yet
	r, err = p.Verify(t.Context(), archive.Selection{})
	if fault.Of(err) != fault.Unavailable {
		t.Errorf("verified without the ledger: %v", err)
	}
	if err := p.Repair(t.Context(), &r, archive.Repair{}); fault.Of(err) != fault.Unavailable || r.Repaired != 0 {
		t.Errorf("%d objects were repaired: %v", r.Repaired, err)
	}
}

// TestRepairsNothingOfTheFuture: what somebody put into one sink for a slot that has not
// fallen due goes to no other.
func TestRepairsNothingOfTheFuture(t *testing.T) {
	t.Parallel()
	p := newPair(t, false)
	m, _, err := p.Manifest(t.Context(), p.slots[0])
	if err != nil {
		t.Fatal(err)
	}
	m.Due = due().Add(time.Hour)
	raw, err := evidence.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.sinks[1].Put(t.Context(), m.Slot().ManifestKey(), sink.Bytes(raw)); err != nil {
		t.Fatal(err)
	}
	r := p.verified(t)
	if err := p.Repair(t.Context(), &r, archive.Repair{}); err != nil || r.Repaired != 0 {
		t.Errorf("%d objects were repaired, %v", r.Repaired, err)
	}
	if got := problemsOf(r.Problems); !matches(got, []string{"missing b has not fallen due", "unmirrored a has not fallen due"}) {
		t.Errorf("%q", got)
	}
}

// TestRepairOneSink: only the sinks that are named are repaired.
func TestRepairOneSink(t *testing.T) {
	t.Parallel()
	p := newPair(t, false)
	for i, dir := range []string{p.a, p.b} {
		if err := os.Remove(filepath.Join(dir, p.slots[i].ManifestKey())); err != nil {
			t.Fatal(err)
		}
	}
	r := p.verified(t)
	if err := p.Repair(t.Context(), &r, archive.Repair{Sinks: []string{"b"}}); err != nil || r.Repaired != 2 {
		t.Errorf("%d objects were repaired: %v", r.Repaired, err)
	}
	if got := files(t, p.a); got[p.slots[0].ManifestKey()] != "" {
		t.Error("the other one was repaired")
	}
	if err := p.Repair(t.Context(), &r, archive.Repair{Sinks: []string{"c"}}); fault.Of(err) != fault.Request {
		t.Errorf("of a sink that is none: %v", err)
	}
}
