package ledger_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// TestProve: the proofs between trees of all kinds of sizes, by the Go team's check,
// against hashes that were computed from the entries alone.
func TestProve(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(), t.Context()
	r := open(t, newKey(t, origin).file, t.TempDir(), s)
	if _, err := r.Prove(ctx, 1, tree.Checkpoint{Size: 2}); fault.Of(err) != fault.Unavailable {
		t.Errorf("a proof before anything is known: %v", err)
	}
	if _, err := r.Latest(ctx); fault.Of(err) != fault.NotFound {
		t.Errorf("before anything is known: %v", err)
	}
	r.commit()
	if _, err := r.Latest(ctx); fault.Of(err) != fault.NotFound {
		t.Errorf("before the first batch: %v", err)
	}
	var points []tree.Checkpoint
	var all tree.Hashes
	for _, to := range []int{1, 2, 7, 255, 256, 257, 511, 512, 700, 1024, 1030} {
		var entries []tree.Entry
		for i := int(r.Status().Checkpoint.Size); i < to; i++ {
			e, _ := object("a", i)
			entries = append(entries, e)
		}
		if err := r.Append(ctx, entries); err != nil {
			t.Fatal(err)
		}
		c, err := r.Latest(ctx)
		if err != nil || c.N != int64(len(points)) || c.Checkpoint != r.Status().Checkpoint || !bytes.Equal(c.Raw, s.get(tree.CheckpointKey(c.N))) {
			t.Fatalf("%+v, %v", c, err)
		}
		points = append(points, c.Checkpoint)
	}
	for e, err := range r.Entries(ctx) {
		if err = add(&all, e, err); err != nil {
			t.Fatal(err)
		}
	}
	fresh := r.again()
	fresh.commit()
	for _, who := range []*replica{r, fresh} {
		for _, c := range points {
			for old := int64(0); old <= c.Size; old += 1 + old/16 {
				proof, err := who.Prove(ctx, old, c)
				if err != nil {
					t.Fatalf("of %d in %d: %v", old, c.Size, err)
				}
				if old == 0 || old == c.Size {
					if len(proof) != 0 {
						t.Errorf("the proof of %d in %d is %v", old, c.Size, proof)
					}
					continue
				}
				root, err := tlog.TreeHash(old, &all)
				if err != nil {
					t.Fatal(err)
				}
				if err := tlog.CheckTree(proof, c.Size, c.Root, old, root); err != nil {
					t.Fatalf("of %d in %d: %v", old, c.Size, err)
				}
			}
		}
	}
	last := points[len(points)-1]
	if c, err := r.again().Seen(ctx); err != nil || c.Checkpoint != last {
		t.Errorf("a process that does not follow has seen %+v, %v", c, err)
	}
	if _, err := open(t, r.file, t.TempDir(), s).Seen(ctx); fault.Of(err) != fault.NotFound {
		t.Errorf("without state: %v", err)
	}
	if c, err := r.At(ctx, 3); err != nil || c.Checkpoint != points[3] {
		t.Errorf("checkpoint 3 is %+v, %v", c, err)
	}
	if _, err := r.At(ctx, 99); fault.Of(err) != fault.NotFound {
		t.Errorf("checkpoint 99: %v", err)
	}
	for _, old := range []int64{-1, last.Size + 1} {
		if _, err := r.Prove(ctx, old, last); fault.Of(err) != fault.Request {
			t.Errorf("of %d: %v", old, err)
		}
	}
	s.set(tree.TileKey(0, 1, 256), make([]byte, 256*32))
	if proof, err := r.again().commitThen().Prove(ctx, 300, last); err != nil || len(proof) == 0 {
		t.Errorf("beside an altered tile: %v, %v", proof, err)
	}
	s.set(tree.CheckpointKey(10), []byte("nobody signed it\n"))
	if _, err := r.Latest(ctx); fault.Of(err) != fault.Damaged {
		t.Errorf("an altered checkpoint: %v", err)
	}
}

func add(all *tree.Hashes, e tree.Entry, err error) error {
	if err != nil {
		return err
	}
	return all.Add(e)
}

func (r *replica) commitThen() *replica { r.commit(); return r }

// TestAdd: what is added to a checkpoint reaches all sinks, also after one was down.
func TestAdd(t *testing.T) {
	t.Parallel()
	first, second := newStore(), newStore()
	r := open(t, newKey(t, origin).file, t.TempDir(), first, second)
	r.append("a", 0, 3)
	keys := []string{tree.StampKey(0, "tsa"), tree.CosignatureKey(0, 7)}
	for i, key := range keys {
		if err := r.Add(t.Context(), key, fmt.Append(nil, key)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			second.breaks(isDown, nil)
		}
		r.commit()
		second.breaks(nil, nil)
	}
	r.commit()
	for _, key := range keys {
		if want := first.get(key); want == nil || !bytes.Equal(second.get(key), want) {
			t.Errorf("the second sink holds %q under %s", second.get(key), key)
		}
	}
	if err := r.Add(t.Context(), keys[0], []byte("other")); fault.Of(err) != fault.Conflict {
		t.Errorf("other bytes: %v", err)
	}
}

// TestChanged: whoever waits is told of a new tip, and of nothing else.
func TestChanged(t *testing.T) {
	t.Parallel()
	s := newStore()
	r := open(t, newKey(t, origin).file, t.TempDir(), s)
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	before := r.Changed()
	r.commit()
	if !closed(before) {
		t.Error("it is not told of the first commit")
	}
	before = r.Changed()
	r.commit()
	if closed(before) {
		t.Error("it is told of nothing")
	}
	r.append("a", 0, 1)
	if !closed(before) || closed(r.Changed()) {
		t.Error("it is not told once of a batch")
	}
	s.breaks(isDown, nil)
	waiting := r.Changed()
	if err := r.Commit(context.Background()); err == nil || closed(waiting) {
		t.Errorf("it is told of a commit that failed: %v", err)
	}
}
