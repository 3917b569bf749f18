package ledger_test

import (
	"testing"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// TestReplaced: something else lies in the place of the last batch, and its checkpoint is
// still there. A replica that did not see the batch does not take its number for void.
func TestReplaced(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	behind := open(t, s.k.file, t.TempDir(), s.first)
	behind.commit()
	s.append("late", 0, 1)
	for name, b := range map[string][]byte{"rubbish": []byte("x"), "a copy": s.first.get(tree.BatchKey(2))} {
		s.first.set(tree.BatchKey(5), b)
		for who, r := range map[string]*replica{"behind": behind, "fresh": s.fresh(s.first)} {
			t.Log(name, who)
			r.refuses(ledger.RolledBack)
		}
		v, err := look(t, s.k.text, s.first)
		if fault.Of(err) != fault.Conflict || len(v.Problems()) != 1 || v.Problems()[0].Kind != ledger.RolledBack {
			t.Errorf("%s: %v, %v", name, v.Problems(), err)
		}
	}
}

// TestCheckpointCopied: a copy of a later checkpoint in the place of an older one, or of a
// void number's, is no fork and no rollback for a replica that is behind, nor for whoever
// checks them all. One of a tree that the batches do not come to is.
func TestCheckpointCopied(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	behind := open(t, s.k.file, t.TempDir(), s.first)
	behind.commit()
	again := behind.again()
	s.first.set(tree.BatchKey(6), []byte("x"))
	for i := range 4 {
		s.append("late", i, i+1)
	}
	for n := range int64(4) {
		s.first.set(tree.CheckpointKey(5+n), s.first.get(tree.CheckpointKey(9)))
	}
	behind.append("after", 0, 1)
	behind.has(ledger.Altered, ledger.Void)
	again.commit()
	if got, want := again.Status().Checkpoint, behind.Status().Checkpoint; got != want {
		t.Errorf("%v, want %v", got, want)
	}
	v, err := look(t, s.k.text, s.first)
	if err == nil {
		err = v.Check(t.Context())
	}
	if err != nil || len(v.Problems()) != 3 || v.Problems()[0].Kind != ledger.Altered || v.Problems()[2].Kind != ledger.Altered {
		t.Errorf("%v, %v", v.Problems(), err)
	}
}
