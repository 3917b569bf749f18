package ledger_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// scene is a ledger of a few batches in two sinks.
type scene struct {
	*replica
	t             *testing.T
	k             key
	first, mirror *store
	logged        []tree.Entry
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, k: newKey(t, origin), first: newStore(), mirror: newStore()}
	s.replica = open(t, s.k.file, t.TempDir(), s.first, s.mirror)
	for i := range 5 {
		s.logged = append(s.logged, s.append(string(rune('a'+i)), 0, 20)...)
	}
	return s
}

// fresh is a replica without state on these sinks.
func (s *scene) fresh(sinks ...sink.Sink) *replica {
	return open(s.t, s.k.file, s.t.TempDir(), sinks...)
}

// whole fails the test unless the sink has the ledger with all that was logged.
func (s *scene) whole(in sink.Sink) tree.Head {
	s.t.Helper()
	got, head := replay(s.t, in, s.k.verifier)
	sameEntries(s.t, got, s.logged)
	return head
}

// rollBack takes from a store all of the ledger's objects that an older one lacks.
func rollBack(s, to *store) {
	for key := range s.clone().objects {
		if strings.HasPrefix(key, tree.Dir) && to.get(key) == nil {
			s.set(key, nil)
		}
	}
}

// TestRolledBack: a first sink that has less than it had is refilled from another,
// and what is signed next follows from what was signed before. Without another copy,
// nothing is signed.
func TestRolledBack(t *testing.T) {
	t.Parallel()
	for name, mine := range map[string]func(*scene, ...sink.Sink) *replica{
		"running":   func(s *scene, _ ...sink.Sink) *replica { return s.replica },
		"restarted": func(s *scene, _ ...sink.Sink) *replica { return s.again() },
		"fresh":     func(s *scene, in ...sink.Sink) *replica { return s.fresh(in...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			old := s.first.clone()
			s.logged = append(s.logged, s.append("late", 0, 200)...)
			rollBack(s.first, old)
			r := mine(s, s.first, s.mirror)
			s.logged = append(s.logged, r.append("after", 0, 3)...)
			r.has(ledger.RolledBack)
			s.whole(s.first)
			if head := s.whole(s.mirror); head.Batches != 7 {
				t.Errorf("there are %d batches", head.Batches)
			}
			for key, b := range s.mirror.objects {
				if strings.HasPrefix(key, tree.Dir) && !bytes.Equal(s.first.get(key), b) {
					t.Errorf("the first sink does not have %s again", key)
				}
			}
			r.commit()
			r.has()
		})
	}
	t.Run("alone", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		old := s.first.clone()
		r := open(t, s.k.file, t.TempDir(), s.first)
		r.append("late", 0, 200)
		rollBack(s.first, old)
		r.refuses(ledger.RolledBack)
		r.again().refuses(ledger.RolledBack)
	})
	t.Run("all of it", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		empty := newStore()
		for _, r := range []*replica{s.fresh(empty, s.mirror), open(t, s.k.file, s.dir, newStore(), s.mirror)} { // the first sink was exchanged
			r.commit()
			r.has(ledger.RolledBack)
			s.whole(r.sinks[0])
		}
	})
	t.Run("the mirror", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		mirror := newStore()
		r := open(t, s.k.file, s.dir, s.first, mirror)
		r.commit()
		s.whole(mirror)
		r.has()
	})
	t.Run("the mirror is down", func(t *testing.T) {
		t.Parallel()
		s := newScene(t)
		s.mirror.breaks(isDown, nil)
		s.logged = append(s.logged, s.append("meanwhile", 0, 200)...)
		r := s.fresh(s.first, s.mirror)
		if err := r.Commit(t.Context()); !errors.Is(err, down) {
			t.Errorf("a replica without state goes on without having heard the mirror: %v", err)
		}
		s.mirror.breaks(nil, nil)
		s.commit()
		s.whole(s.mirror)
		r.commit()
		r.has()
	})
}

// TestHole: a batch was removed, and those after it are there.
func TestHole(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]func(*scene) []*store{
		"first":  func(s *scene) []*store { return []*store{s.first} },
		"second": func(s *scene) []*store { return []*store{s.first, s.mirror} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			behind := open(t, s.k.file, t.TempDir(), s.first)
			behind.commit()
			s.logged = append(s.logged, s.append("x", 0, 1)...)
			s.logged = append(s.logged, s.append("y", 0, 1)...)
			for _, store := range in(s) {
				store.set(tree.BatchKey(5), nil)
				store.set(tree.CheckpointKey(5), nil)
			}
			behind.refuses(ledger.RolledBack)
			r := s.fresh(s.first, s.mirror)
			if name == "second" {
				r.refuses(ledger.RolledBack)
				return
			}
			r.commit()
			r.has(ledger.RolledBack)
			s.whole(s.first)
		})
	}
}

// TestVoid: what somebody without a key wrote at the next number, or copied there, uses
// that up, and is logged; every replica comes to the same tree.
func TestVoid(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	other := newKey(t, origin)
	stolen, err := note.NewSigner(other.line)
	if err != nil {
		t.Fatal(err)
	}
	_, head := replay(t, s.first, s.k.verifier)
	e, _ := object("planted", 0)
	strangers, err := head.Batch([]tree.Entry{e}).Sign(stolen)
	if err != nil {
		t.Fatal(err)
	}
	copies := [][]byte{s.first.get(tree.BatchKey(3)), s.first.get(tree.BatchKey(4)), s.first.get(tree.CheckpointKey(4))}
	for i, b := range append(copies, strangers, []byte{}, bytes.Repeat([]byte("x"), tree.MaxNote+1)) {
		n := int64(5 + i)
		s.first.set(tree.BatchKey(n), b)
		s.logged = append(s.logged, tree.Of(tree.VoidKey(n), b))
	}
	behind := s.again()
	s.logged = append(s.logged, s.append("after", 0, 2)...)
	s.has(ledger.Void)
	s.whole(s.first)
	got, _ := replay(t, s.mirror, s.k.verifier)
	sameEntries(t, got, s.logged)
	for _, r := range []*replica{s.fresh(s.first), behind, s.again(), s.fresh(newStore(), s.mirror)} {
		s.logged = append(s.logged, r.append("then"+string(rune('a'+len(s.logged)%26)), 0, 1)...)
		if r.sinks[0] == s.first {
			s.whole(s.first)
		}
	}
}

// TestPlanted: batches far ahead move nothing, and are told of.
func TestPlanted(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for _, n := range []int64{7, 300, 1_000_000} {
		s.first.set(tree.BatchKey(n), []byte("x"))
	}
	s.first.set(tree.BatchKey(301), s.first.get(tree.BatchKey(2)))
	s.mirror.set(tree.BatchKey(8), []byte("x"))
	for _, r := range []*replica{s.replica, s.again(), s.fresh(s.first, s.mirror)} {
		s.logged = append(s.logged, r.append("p"+string(rune('a'+len(s.logged)%26)), 0, 1)...)
		if !slices.ContainsFunc(r.Status().Problems, func(p ledger.Problem) bool { return p.Kind == ledger.Void && p.Key == tree.BatchKey(300) }) {
			t.Errorf("the problems are %v", r.Status().Problems)
		}
	}
	got, head := replay(t, s.first, s.k.verifier)
	if head.Batches != 10 { // 7 was void when it was its turn
		t.Errorf("there are %d batches", head.Batches)
	}
	sameEntries(t, got, append(s.logged, tree.Of(tree.VoidKey(7), []byte("x"))))
}

// TestForked: what a key of the ledger signed and that does not follow.
func TestForked(t *testing.T) {
	t.Parallel()
	sign := func(t *testing.T, k key, text string) []byte {
		signer, err := note.NewSigner(k.line)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	e, _ := object("forged", 0)
	for name, forge := range map[string]func(*testing.T, *scene, tree.Head){
		"a batch that does not follow": func(t *testing.T, s *scene, head tree.Head) {
			s.first.set(tree.BatchKey(5), sign(t, s.k, tree.Head{Origin: origin, Batches: 5, Edge: tree.Edge{}.Add([]tree.Entry{e})}.Batch([]tree.Entry{e}).Text()))
		},
		"another last batch": func(t *testing.T, s *scene, head tree.Head) {
			s.first.set(tree.BatchKey(4), sign(t, s.k, tree.Head{Origin: origin, Batches: 4, Edge: tree.Edge{}.Add([]tree.Entry{e})}.Batch([]tree.Entry{e}).Text()))
		},
		"another checkpoint": func(t *testing.T, s *scene, head tree.Head) {
			s.first.set(tree.CheckpointKey(4), sign(t, s.k, tree.Checkpoint{Origin: origin, Size: 500}.Text()))
		},
		"foreign bytes where the mirror has a batch": func(t *testing.T, s *scene, head tree.Head) {
			b := head.Batch([]tree.Entry{e})
			s.mirror.set(tree.BatchKey(5), sign(t, s.k, b.Text()))
			s.first.set(tree.BatchKey(5), []byte("x"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			_, head := replay(t, s.first, s.k.verifier)
			forge(t, s, head)
			s.refuses(ledger.Forked)
			s.again().refuses(ledger.Forked)
		})
	}
}

// TestRemoved: the last batch was removed before this replica saw it, and its
// checkpoint is still there.
func TestRemoved(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	behind := open(t, s.k.file, t.TempDir(), s.first)
	behind.commit()
	s.append("late", 0, 1)
	s.first.set(tree.BatchKey(5), nil)
	behind.refuses(ledger.RolledBack)
}

// TestCheckpointPlanted: what nobody signed, where a checkpoint is or will be, is told
// of and stops nothing: the ledger passes such numbers over, so that there is a last
// checkpoint to be vouched for.
func TestCheckpointPlanted(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.first.set(tree.CheckpointKey(4), s.first.get(tree.BatchKey(3)))
	s.first.set(tree.CheckpointKey(5), []byte("x"))
	s.first.set(tree.CheckpointKey(6), s.first.get(tree.CheckpointKey(3)))
	for i, want := range []int64{8, 10} { // numbers that are used up
		r := []*replica{s.replica, s.again()}[i]
		s.first.set(tree.CheckpointKey(want), []byte("y"))
		r.append("p"+string(rune('a'+i)), 0, 1)
		r.has(ledger.Altered, ledger.Void)
		if c, err := r.Latest(t.Context()); err != nil || c.N != want-1 || c.Checkpoint != r.Status().Checkpoint {
			t.Errorf("the last checkpoint is %+v, %v", c, err)
		}
	}
	for _, in := range []sink.Sink{s.first, s.mirror} {
		r := s.fresh(in)
		r.commit()
		if got, want := r.Status().Checkpoint, s.again().commitThen().Status().Checkpoint; got != want {
			t.Errorf("a fresh replica has %v, want %v", got, want)
		}
	}
}

// TestAltered: a further sink, or a tile, that holds other bytes does not stop the
// ledger.
func TestAltered(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.mirror.set(tree.BatchKey(5), []byte("x"))
	s.first.set(tree.EntriesKey(0, tree.TileWidth), []byte("x"))
	s.logged = append(s.logged, s.append("after", 0, 200)...)
	s.has(ledger.Altered, ledger.Void)
	s.whole(s.first)
	s.first.set(tree.TileKey(1, 0, 1), make([]byte, 32))
	r := s.again()
	r.commit()
	r.has(ledger.Altered)
	s.logged = append(s.logged, r.append("more", 0, 200)...)
	s.whole(s.first)
}

// TestStrange: sinks that hold the ledger of somebody else.
func TestStrange(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	r := open(t, newKey(t, origin).file, t.TempDir(), s.first)
	if err := r.Commit(t.Context()); fault.Of(err) != fault.Conflict || !strings.Contains(err.Error(), "holds a ledger") || fault.Hint(err) == "" {
		t.Errorf("another key: %v", err)
	}
	k := newKey(t, "example.com/other")
	keys, err := ledger.ReadKeys(k.file, "example.com/other")
	if err != nil {
		t.Fatal(err)
	}
	o := s.Options
	o.Origin, o.Keys = "example.com/other", keys
	l, err := ledger.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Commit(t.Context()); fault.Of(err) != fault.Request || fault.Hint(err) == "" {
		t.Errorf("the state folder of another origin: %v", err)
	}
	o.Dir = t.TempDir()
	if l, err = ledger.Open(o); err != nil {
		t.Fatal(err)
	}
	if err := l.Commit(t.Context()); fault.Of(err) != fault.Conflict || !strings.Contains(err.Error(), origin) {
		t.Errorf("the sinks of another origin: %v", err)
	}
}

// TestDamagedOnTheWay: a batch that is damaged while it is read is not taken for
// void.
func TestDamagedOnTheWay(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	behind := s.fresh(s.first)
	behind.commit()
	s.logged = append(s.logged, s.append("late", 0, 2)...)
	whole := s.first.get(tree.BatchKey(5))
	reads := 0
	s.first.breaks(func(op, key string) error {
		if op == "open" && key == tree.BatchKey(5) {
			if reads++; reads == 1 {
				s.first.set(key, whole[:100])
			} else {
				s.first.set(key, whole)
			}
		}
		return nil
	}, nil)
	if err := behind.Commit(t.Context()); fault.Of(err) != fault.Damaged {
		t.Errorf("commit: %v", err)
	}
	s.logged = append(s.logged, behind.append("after", 0, 1)...)
	behind.has()
	s.whole(s.first)
}
