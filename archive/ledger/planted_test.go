package ledger_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// TestTilesPlanted: tiles that somebody planted, altered or removed do not keep anybody
// from reading the ledger, or from proving to a witness that it has grown.
func TestTilesPlanted(t *testing.T) {
	t.Parallel()
	entries, row, above := tree.EntriesKey(0, tree.TileWidth), tree.TileKey(0, 0, tree.TileWidth), tree.TileKey(1, 0, 2)
	swapped := func(b []byte) []byte { // two entries of one length
		half := len(b) / 256
		return bytes.Join([][]byte{b[half : 2*half], b[:half], b[2*half:]}, nil)
	}
	for name, harm := range map[string]struct{ before, after func(*store) }{
		"planted":       {func(s *store) { s.set(entries, []byte("x")) }, nil},
		"hash planted":  {func(s *store) { s.set(row, []byte("x")) }, nil},
		"above planted": {func(s *store) { s.set(above, make([]byte, 64)) }, nil},
		"removed":       {nil, func(s *store) { s.set(entries, nil) }},
		"altered":       {nil, func(s *store) { s.set(entries, swapped(s.get(entries))) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			if harm.before != nil {
				harm.before(s.first)
			}
			for i := range 10 {
				s.logged = append(s.logged, s.append("late", 50*i, 50*i+50)...)
			}
			s.first.set(tree.BatchKey(s.Status().Batches), []byte("void"))
			s.logged = append(s.logged, s.append("later", 0, 1)...)
			void := s.Status().Problems
			if harm.after != nil {
				harm.after(s.first)
			}
			for who, r := range map[string]*replica{"running": s.replica, "restarted": s.again(), "fresh": s.fresh(s.first, s.mirror)} {
				r.commit()
				var edge tree.Edge
				var got []tree.Entry
				for e, err := range r.Entries(t.Context()) {
					if err != nil {
						t.Fatalf("%s: %v", who, err)
					}
					if e.Kind() != tree.Void {
						got = append(got, e)
					}
					if edge.Append(e.Leaf()); edge.Size%100 == 7 {
						rest := edge.Size
						for _, err := range r.After(t.Context(), edge.Add(nil)) {
							if rest++; err != nil {
								t.Fatalf("%s, from %d: %v", who, edge.Size, err)
							}
						}
						if rest != r.Status().Checkpoint.Size {
							t.Errorf("%s, from %d: to %d", who, edge.Size, rest)
						}
					}
				}
				sameEntries(t, got, s.logged)
				c, err := r.Latest(t.Context())
				if err == nil {
					_, err = r.Prove(t.Context(), 40, c.Checkpoint)
				}
				if err != nil {
					t.Errorf("%s: %v", who, err)
				}
			}
			if len(void) == 0 || void[len(void)-1].Kind != ledger.Void {
				t.Errorf("the problems were %v", void)
			}
		})
	}
}

// TestCheckpointsPlanted: more planted checkpoints than one commit passes over do not keep
// entries out.
func TestCheckpointsPlanted(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for n := range int64(30) {
		s.first.set(tree.CheckpointKey(5+n), []byte("x"))
	}
	for i, want := range []int64{5 + 16 + 1, 5 + 30 + 1} {
		s.append("p", i, i+1)
		if st := s.Status(); st.Batches != want || st.Owed > 0 {
			t.Errorf("%d numbers are used up, want %d; %d entries are owed", st.Batches, want, st.Owed)
		}
	}
	if c, err := s.Latest(t.Context()); err != nil || c.Checkpoint != s.Status().Checkpoint {
		t.Errorf("the last checkpoint is %+v, %v", c, err)
	}
}

// TestEntryWaits: an entry of which is not known whether its object is stored, because a
// further sink is down or the first one does not give it away, keeps no other one waiting.
func TestEntryWaits(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	e, b := object("lost", 0)
	if err := s.Log(e, func() error { return down }); err == nil {
		t.Error("log: no error")
	}
	locked, _ := object("locked", 0)
	if err := s.Log(locked, func() error { return down }); err == nil {
		t.Error("log: no error")
	}
	s.first.breaks(func(_, key string) error {
		if key == locked.Key {
			return fault.New(fault.NotRestored, "it is in an archive tier")
		}
		return nil
	}, nil)
	s.mirror.breaks(isDown, nil)
	s.logged = append(s.logged, s.append("late", 0, 3)...)
	s.whole(s.first)
	if owed := s.Status().Owed; owed != 2 {
		t.Errorf("%d entries are owed", owed)
	}
	s.mirror.breaks(nil, nil)
	s.mirror.set(e.Key, b)
	s.commit()
	s.logged = append(s.logged, e)
	s.whole(s.first)
}

// TestEntryFlies: an entry whose object is on its way into a further sink is not dropped
// because of what somebody planted in the first.
func TestEntryFlies(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	e, b := object("late", 0)
	s.first.set(e.Key, []byte("planted"))
	if err := s.Log(e, func() error {
		s.commit()
		return s.mirror.Put(t.Context(), e.Key, sink.Bytes(b))
	}); err != nil {
		t.Error(err)
	}
	s.commit()
	s.logged = append(s.logged, e)
	s.whole(s.first)
}

// TestEntryOfPlanted: an entry whose object is in a further sink, as a record that was planted
// before the slot fell due has its place in the first, is logged also after a restart. One of
// what another replica was first with is not.
func TestEntryOfPlanted(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]int64{2 * time.Hour: 1, -time.Minute: 0} {
		first, mirror := sink.NewMemory(), sink.NewMemory()
		r := open(t, newKey(t, origin).file, t.TempDir(), first, mirror)
		key := evidence.Slot{Source: "prod", Pack: "cp-1", Due: time.Now().Add(ahead).UTC().Truncate(time.Second)}.ManifestKey()
		if err := first.Put(t.Context(), key, sink.Bytes([]byte("foreign"))); err != nil {
			t.Fatal(err)
		}
		if err := r.Log(tree.Of(key, []byte("ours")), func() error {
			return errors.Join(mirror.Put(t.Context(), key, sink.Bytes([]byte("ours"))), down)
		}); err == nil {
			t.Error("log: no error")
		}
		r = r.again()
		r.commit()
		if s := r.Status(); s.Checkpoint.Size != want || s.Owed != 0 {
			t.Errorf("%s ahead: %+v", ahead, s)
		}
	}
}
