package anchor_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/anchor"
	"packseal.example/archive/ledger/stamp"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness/cosignature"
	"packseal.example/internal/fault"
)

// TestAnchors: each checkpoint is vouched for by all, in every sink; who has nothing but
// a sink, the roots and the keys can check it.
func TestAnchors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger()
	w.append(l, 3)
	a := w.anchors(l, func(o *anchor.Options) { o.Every = 1 })
	a.Once(t.Context())
	w.append(l, 300)
	a.Once(t.Context())
	if err := l.Commit(t.Context()); err != nil { // it copies
		t.Fatal(err)
	}
	v, err := cosignature.NewVerifier(w.witness.Key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range w.sinks {
		all, err := anchor.List(t.Context(), w.sinks[i])
		if err != nil || len(all) != 2 {
			t.Fatalf("sink %d lists %+v, %v", i, all, err)
		}
		for n, one := range all {
			want := anchor.Anchored{
				N: int64(n), Stamps: map[string][]string{"tsa1": {tree.StampKey(one.N, "tsa1")}, "tsa2": {tree.StampKey(one.N, "tsa2")}},
				Cosignatures: map[uint32][]string{v.KeyHash(): {tree.CosignatureKey(one.N, v.KeyHash())}},
			}
			if diff := cmp.Diff(want, one); diff != "" {
				t.Errorf("sink %d lists (-want +got):\n%s", i, diff)
			}
			checkpoint := w.get(i, tree.CheckpointKey(one.N))
			for _, keys := range anchor.InOrder(one.Stamps) {
				if token, err := stamp.Verify(w.get(i, keys[0]), checkpoint, w.authority.Pool); err != nil || time.Since(token.Time) > time.Minute {
					t.Errorf("%+v, %v", token, err)
				}
			}
			line, err := cosignature.Parse(string(w.get(i, tree.CosignatureKey(one.N, v.KeyHash()))))
			text, _, _ := strings.Cut(string(checkpoint), "\n\n")
			if err == nil {
				err = line.Verify(text+"\n", v)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
	for _, s := range a.Status() {
		if s.Size != 303 || time.Since(s.At) > time.Minute || s.Err != nil || s.Problem != nil || s.Failures != 0 || s.Asked == s.Witness {
			t.Errorf("%+v", s)
		}
	}
}

// TestTimes: nobody is asked more often than once an hour, nor twice for a checkpoint; a
// failure is made up for after ten minutes.
func TestTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y2026()
		w := newWorld(t)
		l := w.ledger()
		a := w.anchors(l, nil)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { a.Run(ctx); close(done) }()
		asked := func(want ...int64) {
			t.Helper()
			synctest.Wait()
			got := []int64{w.stamps[0].asked.Load(), w.stamps[1].asked.Load(), w.cosigner.asked.Load()}
			if !slices.Equal(got, want) {
				t.Errorf("asked %v times, want %v", got, want)
			}
		}
		if err := l.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		asked(0, 0, 0)
		w.append(l, 1)
		asked(1, 1, 1) // right after the commit
		time.Sleep(5 * time.Hour)
		asked(1, 1, 1) // there is nothing new
		w.append(l, 1)
		asked(2, 2, 2)
		for range 6 {
			time.Sleep(9 * time.Minute)
			w.append(l, 1)
		}
		asked(2, 2, 2)
		w.stamps[0].down.Store(true)
		time.Sleep(17 * time.Minute)
		asked(4, 3, 3) // once after the hour, again after ten minutes
		if s := status(t, a, "tsa1"); s.Failures != 2 || fault.Of(s.Err) != fault.Unavailable || s.Size != 2 {
			t.Errorf("%+v", s)
		}
		w.stamps[0].down.Store(false)
		time.Sleep(10 * time.Minute)
		asked(5, 3, 3)
		if s := status(t, a, "tsa1"); s.Failures != 2 || s.Err != nil || s.Size != 8 {
			t.Errorf("%+v", s)
		}
		stop()
		<-done
	})
}

// TestReplicas: one replica asks; the others, and who comes after it, know what it got.
func TestReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger()
	w.append(l, 3)
	follower, fl := func() (*anchor.Anchors, *ledger.Ledger) {
		l := w.ledger()
		return w.anchors(l, func(o *anchor.Options) { o.Leads = func() bool { return false } }), l
	}()
	follow := func() {
		t.Helper()
		if err := fl.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		follower.Once(t.Context())
	}
	follow()
	if got := w.stamps[0].asked.Load() + w.cosigner.asked.Load(); got != 0 {
		t.Errorf("a follower asked %d times", got)
	}
	w.anchors(l, nil).Once(t.Context())
	follow()
	for _, s := range follower.Status() {
		if s.Size != 3 || s.At.IsZero() || s.Err != nil || s.Asked {
			t.Errorf("the follower knows %+v", s)
		}
	}
	w.append(l, 1)
	w.anchors(l, nil).Once(t.Context()) // a process that begins within the hour
	if w.stamps[0].asked.Load() != 1 || w.cosigner.asked.Load() != 1 {
		t.Errorf("asked again within the hour: %d, %d", w.stamps[0].asked.Load(), w.cosigner.asked.Load())
	}
	w.anchors(l, func(o *anchor.Options) { o.Every = 1 }).Once(t.Context())
	follow()
	if s := status(t, follower, "tsa2"); s.Size != 4 || w.stamps[1].asked.Load() != 2 {
		t.Errorf("%+v, asked %d times", s, w.stamps[1].asked.Load())
	}
}

// TestRace: of two replicas that both ask for one checkpoint, one stores its time-stamp,
// and both know it.
func TestRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger()
	w.append(l, 3)
	other := w.anchors(l, nil)
	first := true
	w.authority.Now = func() time.Time {
		if first {
			first = false
			other.Once(t.Context())
		}
		return time.Now()
	}
	w.witnesses, w.stampers = nil, w.stampers[:1]
	a := w.anchors(l, nil)
	a.Once(t.Context())
	for _, who := range []*anchor.Anchors{a, other} {
		if s := status(t, who, "tsa1"); s.Size != 3 || s.Err != nil || s.Problem != nil {
			t.Errorf("%+v", s)
		}
	}
}

// TestPlanted: what somebody else put in the place of a time-stamp or a cosignature is
// told of, and keeps nobody from vouching: what was got is stored beside it, where all
// replicas find it. Far ahead it moves nothing.
func TestPlanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, other := w.ledger(), w.ledger()
	v, err := cosignature.NewVerifier(w.witness.Key)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{0, 900} {
		w.put(tree.StampKey(n, "tsa1"), "garbage")
		w.put(tree.CosignatureKey(n, v.KeyHash()), "garbage")
	}
	w.put(tree.Beside(tree.StampKey(0, "tsa1"), []byte("rubbish")), "garbage")
	w.put(tree.StampDir+"no/number/tsa1.tsr", "garbage")
	every := func(o *anchor.Options) { o.Every = 1 }
	a := w.anchors(l, every)
	w.append(l, 3)
	if err := other.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.Once(t.Context())
	follower := w.anchors(other, func(o *anchor.Options) { o.Leads = func() bool { return false } })
	follower.Once(t.Context())
	for who, a := range map[string]*anchor.Anchors{"leader": a, "follower": follower, "restarted": w.anchors(l, nil)} {
		a.Once(t.Context())
		for _, name := range []string{"tsa1", "w1"} {
			s := status(t, a, name)
			if problem(t, a, name) != ledger.Altered || s.Size != 3 || s.Err != nil || s.Problem.Sink != "sink0" || !strings.Contains(s.Problem.Key, "/000/") {
				t.Errorf("%s: %+v, %v", who, s, s.Problem)
			}
		}
		if s := status(t, a, "tsa2"); s.Size != 3 || s.Problem != nil {
			t.Errorf("%s: %+v", who, s)
		}
	}
	if got := w.stamps[0].asked.Load() + w.cosigner.asked.Load(); got != 2 {
		t.Errorf("asked %d times", got)
	}
	all, err := anchor.List(t.Context(), w.sinks[0])
	if err != nil || len(all[0].Stamps["tsa1"]) != 3 || len(all[0].Cosignatures[v.KeyHash()]) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, key := range slices.Concat(all[0].Stamps["tsa1"], all[0].Cosignatures[v.KeyHash()]) {
		if raw := w.get(0, key); len(raw) > len("garbage") && tree.Beside(key[:strings.LastIndex(strings.TrimSuffix(key, ".tsr"), ".")], raw) != strings.TrimSuffix(key, ".tsr") {
			t.Errorf("%s is not the name of its bytes", key)
		}
	}
	w.append(l, 1)
	a.Once(t.Context())
	for _, s := range a.Status() {
		if s.Size != 4 || s.Problem != nil || s.Err != nil {
			t.Errorf("%+v, %v", s, s.Problem)
		}
	}
}

// TestPlantedLater: what was planted at later checkpoints, or where there is none, hides no
// older one from a replica that starts, and is told of.
func TestPlantedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger()
	w.append(l, 3)
	w.anchors(l, nil).Once(t.Context())
	w.put(tree.BatchKey(2), "void")
	w.append(l, 1)
	w.append(l, 1)
	w.put(tree.StampKey(1, "tsa1"), "garbage")
	w.put(tree.StampKey(2, "tsa1"), "garbage")
	a := w.anchors(l, func(o *anchor.Options) { o.Leads = func() bool { return false } })
	for range 2 {
		a.Once(t.Context())
		if s := status(t, a, "tsa1"); s.Size != 3 || s.Err != nil || problem(t, a, "tsa1") != ledger.Altered || s.Problem.Key != tree.StampKey(1, "tsa1") {
			t.Errorf("%+v, %v", s, s.Problem)
		}
	}
}

// TestPlantedMany: more than is looked at does not keep what was got from being stored.
func TestPlantedMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger()
	w.append(l, 3)
	w.put(tree.StampKey(0, "tsa1"), "garbage")
	for i := range 50 {
		w.put(tree.Beside(tree.StampKey(0, "tsa1"), []byte{byte(i)}), "garbage")
	}
	a := w.anchors(l, nil)
	a.Once(t.Context())
	if s := status(t, a, "tsa1"); s.Size != 3 || s.Err != nil || problem(t, a, "tsa1") != ledger.Altered {
		t.Errorf("%+v, %v", s, s.Problem)
	}
	all, err := anchor.List(t.Context(), w.sinks[0])
	if err != nil || len(all[0].Stamps["tsa1"]) != 52 {
		t.Errorf("%d objects, %v", len(all[0].Stamps["tsa1"]), err)
	}
}

// TestWitnessKnowsMore: a witness that is ahead of this replica, because others appended,
// is no alarm; one that is ahead of the ledger is, and so is one of another ledger.
func TestWitnessKnowsMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, other := w.ledger(), w.ledger()
	w.append(l, 3)
	w.stampers = nil
	every := func(o *anchor.Options) { o.Every = 1 }
	a := w.anchors(l, every)
	w.append(other, 2)
	w.witnesses = append(w.witnesses[:0:0], w.client())
	w.anchors(other, every).Once(t.Context())
	a.Once(t.Context())
	if problem(t, a, "w1") != "" || status(t, a, "w1").Failures != 0 {
		t.Errorf("%+v", status(t, a, "w1"))
	}
	a.Once(t.Context())
	if s := status(t, a, "w1"); s.Size != 5 {
		t.Errorf("%+v", s)
	}

	size, root := l.Status().Checkpoint.Size, l.Status().Checkpoint.Root
	w.witness.Set(origin, tlog.Tree{N: size + 10, Hash: root})
	w.append(l, 1)
	a.Once(t.Context())
	if s := status(t, a, "w1"); problem(t, a, "w1") != ledger.RolledBack || fault.Of(s.Err) != fault.Conflict || s.Problem.Key != tree.CheckpointKey(2) {
		t.Errorf("ahead of the ledger: %+v, %v", s, s.Problem)
	}
	w.witness.Set(origin, tlog.Tree{N: size, Hash: tlog.Hash{1}})
	a.Once(t.Context())
	if problem(t, a, "w1") != ledger.Forked {
		t.Errorf("of another ledger: %+v", status(t, a, "w1"))
	}
	w.witness.Set(origin, tlog.Tree{N: size, Hash: root})
	a.Once(t.Context())
	if s := status(t, a, "w1"); s.Problem != nil || s.Err != nil || s.Size != 6 {
		t.Errorf("after all it is ours: %+v", s)
	}
}

// TestClock: a clock that is off is told of, and the time-stamp is kept.
func TestClock(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-time.Hour, time.Hour, 10 * time.Second} {
		w := newWorld(t)
		w.authority.Now = func() time.Time { return time.Now().Add(off) }
		l := w.ledger()
		w.append(l, 1)
		a := w.anchors(l, nil)
		a.Once(t.Context())
		s := status(t, a, "tsa1")
		if s.Size != 1 || !s.Asked || (s.Offset+off).Abs() > 10*time.Second {
			t.Errorf("%+v", s)
		}
		want := map[bool]ledger.Kind{true: ledger.ClockOffset}[off.Abs() > time.Minute]
		if problem(t, a, "tsa1") != want {
			t.Errorf("%s: %v", off, s.Problem)
		}
		if s.Problem != nil && !strings.Contains(s.Problem.Detail, map[bool]string{true: "ahead of that", false: "behind that"}[off < 0]) {
			t.Errorf("%s: %s", off, s.Problem.Detail)
		}
	}
}

// TestNothing: before the first batch there is nothing to ask for, and who names nobody
// asks nobody.
func TestNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.ledger()
	a := w.anchors(l, nil)
	a.Once(t.Context())
	for _, s := range a.Status() {
		if s.Err != nil || s.Size != 0 || !s.At.IsZero() {
			t.Errorf("%+v", s)
		}
	}
	if w.stamps[0].asked.Load()+w.cosigner.asked.Load() != 0 {
		t.Error("somebody was asked")
	}
	anchor.New(anchor.Options{Ledger: l, Logger: l.Logger}).Run(t.Context()) // it returns
	if all, err := anchor.List(t.Context(), w.sinks[0]); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	w.append(l, 1)
	if c, err := l.At(t.Context(), 0); err != nil || !bytes.Equal(c.Raw, w.get(0, tree.CheckpointKey(0))) {
		t.Errorf("%+v, %v", c, err)
	}
}
