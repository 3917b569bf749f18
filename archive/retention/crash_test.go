package retention_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
)

// TestCrash: the process dies before and after every single call of a sink: before
// and after the policy, the entries, each removal in each sink. Whatever is missing
// then, the ledger has said so before; and the next run ends what was begun.
func TestCrash(t *testing.T) {
	t.Parallel()
	whole := newRig(t, map[string][]int{"cp-1": {100, 95, 1}, "cp-2": {97, 2}})
	before := objects(t, whole.memories[0])
	seen, deletions := make(map[string]bool), 0
	for n := 1; ; n++ {
		for _, lost := range []bool{false, true} {
			r := whole.clone(t)
			l := &life{left: n, lost: lost}
			_, err := r.start(t, l).Prune(t.Context(), 3)
			if l.left != 0 { // it came to its end
				if err != nil || n < 30 || deletions < 12 {
					t.Errorf("after %d calls, of them %d removals: %v", n, deletions, err)
				}
				for _, op := range []string{"put packseal-ledger/policy/", "put packseal-ledger/batch/", "delete prod/cp-1/"} {
					if !slices.ContainsFunc(l.seen, func(s string) bool { return strings.HasPrefix(s, op) }) {
						t.Errorf("no call is %s", op)
					}
				}
				return
			}
			last := l.seen[n-1]
			if op, _, _ := strings.Cut(last, " "); op == "delete" {
				deletions++
			}
			seen[last] = true
			name := fmt.Sprintf("dead at call %d (%s, done %t)", n, last, lost)
			r.accounted(t, name, before)
			r.resumed(t, name, before)
		}
	}
}

// accounted fails the test if something is missing that the ledger, read by another
// replica from the sinks alone, does not explain, or that is no report.
func (r *rig) accounted(t *testing.T, name string, before map[string]string) {
	t.Helper()
	other := &rig{memories: r.memories, key: r.key, state: t.TempDir()}
	entries := other.start(t, nil).entries(t)
	policy := slices.IndexFunc(entries, func(e tree.Entry) bool { return e.Kind() == tree.Policy })
	for i, m := range r.memories {
		now := objects(t, m)
		for key, b := range before {
			if _, has := now[key]; has {
				continue
			}
			at := slices.Index(entries, tree.Entry{Sum: sha256.Sum256([]byte(b)), Key: tree.PrunedKey(key)})
			if _, object, ok := evidence.ParseKey(key); !ok || object == evidence.ManifestName || policy < 0 || at < policy {
				t.Errorf("%s: sink %d lacks %s: entry %d, policy %d", name, i, key, at, policy)
			}
		}
	}
}

// resumed fails the test unless a new process on the same state ends the work, and
// nothing is logged twice.
func (r *rig) resumed(t *testing.T, name string, before map[string]string) {
	t.Helper()
	p := r.start(t, nil)
	plan, err := p.Plan(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if _, err := p.Prune(t.Context(), len(plan.Reports)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for i, m := range r.memories {
		if left := reports(t, m); !slices.Equal(left, []string{"cp-1 1", "cp-2 2"}) {
			t.Errorf("%s: sink %d has %v", name, i, left)
		}
	}
	times := make(map[string]int)
	for _, e := range p.entries(t) {
		if e.Kind() == tree.Pruned || e.Kind() == tree.Policy {
			times[e.Key]++
		}
	}
	policies := 0
	for key, n := range times {
		if strings.Contains(key, "/policy/") {
			policies++
		} else if n != 1 {
			t.Errorf("%s: %s is in the ledger %d times", name, key, n)
		}
	}
	if len(times)-policies != 3 || policies < 1 {
		t.Errorf("%s: the ledger has %v", name, times)
	}
	r.accounted(t, name+", resumed", before)
}
