package ledger_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// gapRecord returns the i-th gap record of an archive.
func gapRecord(t testing.TB, i int) (key string, raw []byte) {
	t.Helper()
	s := evidence.Slot{Source: "prod", Pack: "cp-1", Due: time.Date(2026, 1, 1, 2, i, 0, 0, time.UTC)}
	raw, err := evidence.Encode(evidence.NewGap(s, fault.Missed, "", s.Due.Add(time.Hour), "packseal/old"))
	if err != nil {
		t.Fatal(err)
	}
	return s.GapKey(), raw
}

// oldArchive returns a sink with that many gap records, a manifest, and what is none of
// both, and the keys of the records.
func oldArchive(t testing.TB, gaps int) (s *store, keys []string) {
	t.Helper()
	s = newStore()
	raw, err := os.ReadFile(filepath.Join("..", "..", "internal", "evidence", "testdata", "manifest.v2.json"))
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := evidence.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	m := decoded.(evidence.Manifest)
	s.set(m.Slot().ManifestKey(), raw)
	s.set(m.ReportKey(), []byte("report"))
	s.set("packseal-doctor/probe.txt", []byte("probe"))
	keys = append(keys, m.Slot().ManifestKey())
	for i := range gaps {
		key, raw := gapRecord(t, i)
		s.set(key, raw)
		keys = append(keys, key)
	}
	return s, keys
}

// foundKeys returns the keys of what the ledger has as found, in order.
func foundKeys(entries []tree.Entry) (keys []string) {
	for _, e := range entries {
		if e.Kind() == tree.Found {
			keys = append(keys, e.Object())
		}
	}
	slices.Sort(keys)
	return keys
}

// TestAdopt: what lay in the archive becomes found, once; what was logged, or is
// owed, stays what it is.
func TestAdopt(t *testing.T) {
	t.Parallel()
	s, keys := oldArchive(t, 300)
	k := newKey(t, origin)
	r := open(t, k.file, t.TempDir(), s)
	slices.Sort(keys)

	own := r.append("own", 0, 2) // objects that are no records, but were logged
	owedKey, raw := gapRecord(t, 1000)
	owed := tree.Of(owedKey, raw)
	if err := r.Log(owed, func() error { s.set(owedKey, raw); return nil }); err != nil {
		t.Fatal(err)
	}
	damaged, _ := gapRecord(t, 2000)
	s.set(damaged, []byte("{}"))

	got, err := r.again().Adopt(t.Context(), ledger.Adoption{DryRun: true})
	want := ledger.Adopted{Manifests: 1, Gaps: 300, Known: 3, Unread: []string{damaged}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("dry: %v\n%s", err, diff)
	}
	entries, _ := replay(t, s, k.verifier)
	sameEntries(t, entries, append(own, owed))

	got, err = r.again().Adopt(t.Context(), ledger.Adoption{})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	entries, _ = replay(t, s, k.verifier)
	if diff := cmp.Diff(keys, foundKeys(entries)); diff != "" || len(entries) != len(keys)+3 {
		t.Errorf("%d entries\n%s", len(entries), diff)
	}
	got, err = r.Adopt(t.Context(), ledger.Adoption{})
	if diff := cmp.Diff(ledger.Adopted{Known: 304, Unread: []string{damaged}}, got); err != nil || diff != "" {
		t.Errorf("again: %v\n%s", err, diff)
	}
	r.has()
}

// TestAdoptBesideReplicas: what two replicas log while a third process adopts is logged
// as theirs and never as found; what it left out as recent can be adopted later.
func TestAdoptBesideReplicas(t *testing.T) {
	t.Parallel()
	s, keys := oldArchive(t, 600)
	k := newKey(t, origin)
	dir := t.TempDir()
	replicas := []*replica{open(t, k.file, dir, s), open(t, k.file, t.TempDir(), s)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan int)
	go func() { // the daemon on the same folder
		n := 0
		for ; ctx.Err() == nil; n++ {
			key, raw := gapRecord(t, 10_000+n)
			if err := replicas[0].Log(tree.Of(key, raw), func() error { s.set(key, raw); return nil }); err != nil {
				t.Error(err)
			}
			if err := ledger.Patiently(ctx, replicas[0].Commit); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
		done <- n
	}()
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			replicas[1].append("other", n, n+1)
		}
		done <- n
	}()
	got, err := open(t, k.file, dir, s).Adopt(t.Context(), ledger.Adoption{})
	if err != nil || got.Manifests != 1 || got.Gaps != 600 {
		t.Errorf("%+v, %v", got, err)
	}
	stop()
	logged := <-done + <-done
	for _, r := range replicas {
		if err := ledger.Patiently(t.Context(), r.Commit); err != nil {
			t.Fatal(err)
		}
	}
	entries, _ := replay(t, s, k.verifier)
	slices.Sort(keys)
	if diff := cmp.Diff(keys, foundKeys(entries)); diff != "" || len(entries) != len(keys)+logged {
		t.Errorf("%d entries, %d were logged\n%s", len(entries), logged, diff)
	}
}

// TestAdoptLeavesOut: what another replica may still log, and what was stored before its slot
// fell due, is not found.
func TestAdoptLeavesOut(t *testing.T) {
	t.Parallel()
	s := sink.NewMemory()
	key, raw := gapRecord(t, 0)
	if err := s.Put(t.Context(), key, sink.Bytes(raw)); err != nil {
		t.Fatal(err)
	}
	planted := evidence.Slot{Source: "prod", Pack: "cp-1", Due: time.Now().Add(2 * time.Hour)}.GapKey()
	if err := s.Put(t.Context(), planted, sink.Bytes(raw)); err != nil {
		t.Fatal(err)
	}
	r := open(t, newKey(t, origin).file, t.TempDir(), s)
	for before, want := range map[time.Time]ledger.Adopted{
		time.Now().Add(-time.Hour): {Recent: 1, Unread: []string{}, Planted: []string{planted}},
		time.Now().Add(time.Hour):  {Gaps: 1, Unread: []string{}, Planted: []string{planted}},
	} {
		got, err := r.Adopt(t.Context(), ledger.Adoption{Before: before, DryRun: true})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	}
}

// TestEpoch: a ledger that goes on from another one begins with its record, whichever of
// the replicas begins it, and has it once.
func TestEpoch(t *testing.T) {
	t.Parallel()
	s, k := newStore(), newKey(t, origin)
	successor := func(dir, tool string) *replica {
		keys, err := ledger.ReadKeys(k.file, origin)
		if err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(ledger.Options{
			Origin: origin, Keys: keys, Dir: dir, Tool: tool, Logger: discard, Sinks: []ledger.Target{{Name: "a", Sink: s}},
			Succeeds: &evidence.Epoch{Origin: "example.com/before", Size: 1234, Root: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", Reason: "the key was stolen", Tool: tool},
		})
		if err != nil {
			t.Fatal(err)
		}
		return &replica{t: t, Ledger: l, dir: dir, file: k.file, sinks: []sink.Sink{s}}
	}
	a, b := successor(t.TempDir(), "packseal/1"), successor(t.TempDir(), "packseal/2")
	a.log("a", 0)
	b.log("b", 0)
	s.breaks(func(op, key string) error { // b owes its record when a has begun
		if op == "put" && key == tree.BatchKey(0) {
			s.breaks(nil, nil)
			a.commit()
		}
		return nil
	}, nil)
	b.commit()
	b.append("b", 1, 2)
	entries, _ := replay(t, s, k.verifier)
	epochs := 0
	for i, e := range entries {
		if e.Kind() == tree.Epoch {
			if epochs++; i != 0 {
				t.Errorf("the epoch is entry %d", i)
			}
			raw := s.get(e.Key)
			if epoch, err := evidence.DecodeEpoch(raw, e.Key); err != nil || epoch.Tool != "packseal/1" || epoch.Size != 1234 {
				t.Errorf("%+v, %v", epoch, err)
			}
		}
	}
	if epochs != 1 || len(entries) != 4 || a.Status().Owed+b.Status().Owed > 0 {
		t.Errorf("%d epochs in %d entries; owed %d and %d", epochs, len(entries), a.Status().Owed, b.Status().Owed)
	}
}

// TestStatusAfterRestart: how far the ledger was is known before a sink was asked, and
// what was found is counted once while it lasts.
func TestStatusAfterRestart(t *testing.T) {
	t.Parallel()
	s, k := newStore(), newKey(t, origin)
	r := open(t, k.file, t.TempDir(), s)
	r.append("a", 0, 3)
	before := r.Status()
	r.log("a", 3)
	r = r.again()
	if st := r.Status(); st.Checkpoint != before.Checkpoint || st.Batches != 1 || st.Owed != 1 || !st.Committed.IsZero() || before.Committed.IsZero() {
		t.Errorf("%+v, want %+v", st, before)
	}
	s.set(tree.BatchKey(5), []byte("planted ahead"))
	r.commit()
	r.commit()
	if st := r.Status(); st.Found[ledger.Void] != 1 || len(st.Problems) != 1 || st.Owed != 0 {
		t.Errorf("%+v", st)
	}
}

// TestCheck: what a sink has is compared with what this replica knows, without a word to
// the sink.
func TestCheck(t *testing.T) {
	t.Parallel()
	s, k := newStore(), newKey(t, origin)
	r := open(t, k.file, t.TempDir(), s)
	look := func(r *replica, known, begun bool, kind ledger.Kind) {
		t.Helper()
		gotKnown, gotBegun, err := r.Check(t.Context())
		if gotKnown != known || gotBegun != begun || (err == nil) != (kind == "") || err != nil && !strings.Contains(err.Error(), string(kind)) {
			t.Errorf("known %v, begun %v, %v", gotKnown, gotBegun, err)
		}
	}
	s.breaks(func(op, key string) error {
		if op == "put" {
			t.Errorf("%s was put", key)
		}
		return nil
	}, nil)
	look(r, false, false, "")
	s.breaks(nil, nil)
	r.append("a", 0, 1)
	other := open(t, newKey(t, origin).file, t.TempDir(), newStore())
	other.append("b", 0, 1)
	look(r, true, true, "")
	look(open(t, k.file, t.TempDir(), s), false, true, "")
	s.set(tree.BatchKey(0), other.sinks[0].(*store).get(tree.BatchKey(0)))
	look(r, true, true, ledger.Forked)
	s.set(tree.BatchKey(0), nil)
	look(r, true, true, ledger.RolledBack)
}
