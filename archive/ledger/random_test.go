package ledger_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// world is three replicas on two sinks, to which anything happens that can.
type world struct {
	*testing.T
	*rand.Rand
	k             key
	first, mirror *store
	replicas      []*replica
	logged        []tree.Entry
	signed        map[int64]tree.Checkpoint // that any sink ever had, by size
	seen          map[string]bool           // objects where checkpoints are
	next          int
}

// checkpoints notes what is signed in the sinks. Two trees of one size are a fork.
func (w *world) checkpoints() {
	for _, s := range []*store{w.first, w.mirror} {
		for key, raw := range s.clone().objects {
			if !strings.HasPrefix(key, tree.CheckpointDir) || w.seen[string(raw)] {
				continue
			}
			w.seen[string(raw)] = true
			c, _, err := tree.OpenCheckpoint(raw, note.VerifierList(w.k.verifier))
			if err != nil {
				continue
			}
			if before, ok := w.signed[c.Size]; ok && before != c {
				w.Fatalf("two trees of one size were signed: %v, %v", before, c)
			}
			w.signed[c.Size] = c
		}
	}
}

// flaky makes calls of a store fail, or lose their answers, at random.
func (w *world) flaky(s *store) {
	r := rand.New(rand.NewPCG(w.Uint64(), 0))
	fails := func(op, key string) error {
		if r.IntN(12) == 0 {
			return down
		}
		return nil
	}
	s.breaks(fails, fails)
}

// step is one thing that happens.
func (w *world) step() {
	i := w.IntN(len(w.replicas))
	r := w.replicas[i]
	switch w.IntN(14) {
	case 0: // a restart
		w.replicas[i] = r.again()
	case 1: // a new disk: what it owed is lost, so it owes nothing
		if r.Commit(w.Context()) == nil && r.Status().Owed == 0 {
			r.dir = w.TempDir()
			w.replicas[i] = r.again()
		}
	case 2: // the first sink loses batches that the mirror has, and that can tell all replicas
		w.mirror.breaks(nil, nil)
		defer func() {
			for _, r := range w.replicas {
				_ = r.Commit(w.Context())
			}
		}()
		w.first.breaks(nil, nil)
		head := r.Status().Batches
		for n := max(0, head-1-int64(w.IntN(4))); n < head+20; n++ {
			for _, key := range []string{tree.BatchKey(n), tree.CheckpointKey(n)} {
				if b := w.mirror.get(key); b != nil && bytes.Equal(w.first.get(key), b) && w.rest(n) {
					w.first.set(key, nil)
				}
			}
		}
	case 3: // somebody writes where batches are
		n := int64(0)
		for w.first.get(tree.BatchKey(n)) != nil || w.mirror.get(tree.BatchKey(n)) != nil {
			n++
		}
		n += int64(w.IntN(2)) * 3
		if w.mirror.get(tree.BatchKey(n)) == nil {
			w.first.set(tree.BatchKey(n), fmt.Appendf(nil, "planted %d", w.next))
		}
	case 4:
		w.flaky(w.first)
	case 5:
		w.flaky(w.mirror)
	case 6:
		w.mirror.breaks(isDown, nil)
	case 7, 8:
		w.first.breaks(nil, nil)
		w.mirror.breaks(nil, nil)
	default:
		for range w.IntN(40) {
			w.next++
			e, b := object("x", w.next)
			err := r.Log(e, func() error { return w.first.Put(w.Context(), e.Key, sink.Bytes(b)) })
			if err == nil || w.first.get(e.Key) != nil { // owed, whatever its answer
				w.logged = append(w.logged, e)
			}
		}
		if err := r.Commit(w.Context()); err != nil && fault.Of(err) != fault.SinkUnavailable && fault.Of(err) != fault.Conflict {
			w.Errorf("commit: %v", err)
		}
	}
	w.checkpoints()
}

// rest reports whether the mirror has all that the first sink has from batch n on.
func (w *world) rest(n int64) bool {
	for ; w.first.get(tree.BatchKey(n)) != nil; n++ {
		if w.mirror.get(tree.BatchKey(n)) == nil {
			return false
		}
	}
	return true
}

// TestAnything: whatever happens to sinks and replicas, in any order, no two trees of
// one size are signed, nothing that was owed is lost or doubled, and once the sinks
// are well again the ledger is whole in both. PACKSEAL_SEED repeats a run.
func TestAnything(t *testing.T) {
	t.Parallel()
	seeds := []uint64{1, 2, 3, rand.Uint64(), rand.Uint64(), rand.Uint64()}
	if seed, err := strconv.ParseUint(os.Getenv("PACKSEAL_SEED"), 10, 64); err == nil {
		seeds = []uint64{seed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := &world{T: t, Rand: rand.New(rand.NewPCG(seed, 0)), k: newKey(t, origin), first: newStore(), mirror: newStore(), signed: make(map[int64]tree.Checkpoint), seen: make(map[string]bool)}
			for range 3 {
				w.replicas = append(w.replicas, open(t, w.k.file, t.TempDir(), w.first, w.mirror))
			}
			for range 80 {
				w.step()
			}
			w.first.breaks(nil, nil)
			w.mirror.breaks(nil, nil)
			for range 2 {
				for i, r := range w.replicas {
					w.replicas[i] = r.again() // what is missing in between is looked for at the start
					w.replicas[i].commit()
				}
			}
			w.checkpoints()
			for _, s := range []*store{w.first, w.mirror} {
				got, _ := replay(t, s, w.k.verifier)
				kept := got[:0]
				for _, e := range got {
					if e.Kind() != tree.Void {
						kept = append(kept, e)
					}
				}
				sameEntries(t, kept, w.logged)
			}
			if t.Failed() {
				t.Logf("PACKSEAL_SEED=%d", seed)
			}
		})
	}
}
