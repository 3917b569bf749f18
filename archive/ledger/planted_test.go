package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
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
	st := s.Status()
	if st.Owed != 2 || st.Waits.Count != 2 || st.Waits.Key == "" || time.Since(st.Waits.Since).Abs() > time.Minute {
		t.Errorf("%d entries are owed, %+v", st.Owed, st.Waits)
	}
	if s.commit(); s.Status().Waits != st.Waits || s.Show().Waits.Count != 2 {
		t.Errorf("%+v, were %+v", s.Status().Waits, st.Waits)
	}
	s.mirror.breaks(nil, nil)
	s.mirror.set(e.Key, b)
	s.commit()
	s.logged = append(s.logged, e)
	s.whole(s.first)
	s.first.breaks(nil, nil)
	s.first.set(locked.Key, []byte("another"))
	if s.commit(); s.Status().Owed != 0 || s.Show().Waits != nil {
		t.Errorf("%d entries are owed, %+v", s.Status().Owed, s.Show().Waits)
	}
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

// TestUnreadable: an object that is there, and that the store does not give away, may be a
// batch or its checkpoint. Nothing is signed in or after its place; which one it is, and
// what to do, is told, and once it can be read the ledger goes on.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	archived := fault.New(fault.NotRestored, "it is in an archive tier").WithHint("restore it")
	denied := fault.New(fault.SinkDenied, "it is encrypted with another's key")
	for name, c := range map[string]struct {
		key  string
		err  error
		hint string
	}{
		"archived":            {tree.BatchKey(5), archived, "restore it; see docs/ledger.md#unreadable"},
		"denied":              {tree.BatchKey(5), denied, "make it readable; see docs/ledger.md#unreadable"},
		"checkpoint archived": {tree.CheckpointKey(5), archived, "restore it; see docs/ledger.md#unreadable"},
		"far ahead":           {tree.BatchKey(700), denied, "make it readable; see docs/ledger.md#unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.first.set(c.key, []byte("x"))
			unread := func(op, key string) error {
				if op == "open" && key == c.key {
					return c.err
				}
				return nil
			}
			s.first.breaks(unread, nil)
			before := s.batches()
			for who, r := range map[string]*replica{"running": s.replica, "restarted": s.again(), "fresh": s.fresh(s.first, s.mirror)} {
				r.log(who, 0)
				err := r.Commit(t.Context())
				if fault.Of(err) != fault.Of(c.err) || !strings.Contains(err.Error(), c.key) || fault.Hint(err) != c.hint {
					t.Errorf("%s: %v (%s)", who, err, fault.Hint(err))
				}
				r.has(ledger.Unreadable)
				if p := r.Show(); len(p.Problems) != 1 || p.Problems[0].Key != c.key || p.Problems[0].Sink != "sink0" || p.Hint != c.hint {
					t.Errorf("%s shows %+v", who, p)
				}
			}
			if now := s.batches(); len(now) != len(before) {
				t.Errorf("%d batches, were %d", len(now), len(before))
			}
			if _, _, err := s.Check(t.Context()); (err != nil) != (c.key == tree.BatchKey(5)) || err != nil && fault.Hint(err) != c.hint {
				t.Errorf("check: %v", err)
			}
			s.first.breaks(nil, nil)
			s.commit()
			if st := s.Status(); st.Owed > 0 || st.Checkpoint.Size < 101 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestAllDenied: a sink that lets nobody read anything, or list, is not one with an object
// of that kind.
func TestAllDenied(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.log("late", 0)
	denied := fault.New(fault.SinkDenied, "no permission")
	s.first.breaks(func(op, key string) error {
		if op == "open" && key == tree.BatchKey(5) {
			return denied
		}
		return nil
	}, nil)
	if err := s.Commit(t.Context()); fault.Of(err) != fault.SinkDenied {
		t.Errorf("commit: %v", err)
	}
	s.has()
}

// TestVoidRow: a long row of planted numbers holds a commit up for a bounded time, and is
// summed up; the next ones get to its end, and all of it is logged.
func TestVoidRow(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	const row = 520
	for n := range int64(row) {
		s.first.set(tree.BatchKey(5+n), []byte("x"))
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	e := s.log("late", 0)
	err := s.Commit(ctx)
	st := s.Status()
	if fault.Of(err) != fault.Busy || st.Batches != 5+500 || len(st.Problems) > 20 || st.Found[ledger.Void] != 500 {
		t.Errorf("%v: %d batches, %d problems, %d found", err, st.Batches, len(st.Problems), st.Found[ledger.Void])
	}
	if last := st.Problems[len(st.Problems)-1]; last.Kind != ledger.Void || !strings.Contains(last.Detail, "484 more") {
		t.Errorf("the last problem is %v", last)
	}
	done := make(chan error)
	go func() { done <- s.Run(ctx) }() // it waits ten minutes between commits, unless there is more to do
	for s.Status().Owed > 0 {
		<-s.Changed()
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	got, head := replay(t, s.first, s.k.verifier)
	if len(got) != 101+row || !slices.Contains(got, e) || head.Batches != 5+row+1 {
		t.Errorf("%d entries in %d batches", len(got), head.Batches)
	}
}

// endless is a sink in which an object never ends.
type endless struct {
	*store
	key  string
	read atomic.Int64
}

func (s *endless) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if key == s.key {
		return io.NopCloser(s), nil
	}
	return s.store.Open(ctx, key)
}

// Read implements [io.Reader].
func (s *endless) Read(b []byte) (int, error) {
	clear(b)
	s.read.Add(int64(len(b)))
	return len(b), nil
}

// TestVoidEndless: what strangers wrote is hashed up to a bound.
func TestVoidEndless(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	first := &endless{store: s.first, key: tree.BatchKey(5)}
	s.first.set(first.key, []byte("x"))
	r := open(t, s.k.file, t.TempDir(), first)
	r.append("late", 0, 1)
	r.has(ledger.Void)
	if n := first.read.Load(); n > 80<<20 {
		t.Errorf("read %d bytes", n)
	}
	want := tree.Of(tree.VoidKey(5), make([]byte, 64<<20))
	for e, err := range r.Entries(t.Context()) {
		if err != nil || e.Key == want.Key && e != want {
			t.Errorf("%v, %v", e, err)
		}
	}
}
