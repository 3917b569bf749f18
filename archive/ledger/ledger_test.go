package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// TestAppend: entries come into the ledger, in the sinks' copies too, over restarts
// and with a state folder that was lost; the tiles are those of the entries.
func TestAppend(t *testing.T) {
	t.Parallel()
	k := newKey(t, origin)
	first, mirror := newStore(), newStore()
	r := open(t, k.file, t.TempDir(), first, mirror)
	r.commit()
	var want []tree.Entry
	for i, n := range []int{1, 3, 250, 300, 1, 600} {
		want = append(want, r.append(fmt.Sprint("a", i, "x"), 0, n)...)
		switch i {
		case 1:
			r = r.again()
		case 3:
			r.dir = t.TempDir()
			r = r.again()
		}
	}
	r.commit()
	got, head := replay(t, first, k.verifier)
	sameEntries(t, got, want)
	if s := r.Status(); s.Checkpoint != head.Checkpoint() || s.Batches != head.Batches || s.Owed != 0 || len(s.Problems) > 0 || s.Err != nil || s.Committed.IsZero() {
		t.Errorf("the status is %+v", s)
	}
	var tiler tree.Tiler
	for part := range slices.Chunk(got, tree.TileWidth) {
		if len(part) < tree.TileWidth {
			break
		}
		for _, tile := range tiler.Fill(part) {
			if b := first.get(tile.Key); string(b) != string(tile.Data) {
				t.Errorf("%s has %d bytes, not the %d that it should", tile.Key, len(b), len(tile.Data))
			}
		}
	}
	if tiler.Full != 4 {
		t.Errorf("there are %d tiles", tiler.Full)
	}
	for key, b := range first.objects {
		if strings.HasPrefix(key, tree.Dir) && string(mirror.get(key)) != string(b) {
			t.Errorf("the mirror lacks %s", key)
		}
	}
	for _, r := range []*replica{r, r.again()} {
		r.commit()
		var all []tree.Entry
		for e, err := range r.Entries(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
		if !slices.Equal(all, got) {
			t.Errorf("%d entries are read, not %d", len(all), len(got))
		}
	}
}

// TestLog: an entry is logged if its object was stored, and only then.
func TestLog(t *testing.T) {
	t.Parallel()
	k := newKey(t, origin)
	first, mirror := newStore(), newStore()
	r := open(t, k.file, t.TempDir(), first, mirror)
	want := r.append("a", 0, 1)

	e, b := object("late", 0)
	if err := r.Log(e, func() error { return down }); !errors.Is(err, down) {
		t.Errorf("log: %v", err)
	}
	r.commit()
	got, _ := replay(t, first, k.verifier)
	sameEntries(t, got, want) // its object is in no sink
	mirror.set(e.Key, b)
	r = r.again()
	r.commit()
	want = append(want, e)
	got, _ = replay(t, first, k.verifier)
	sameEntries(t, got, want)

	e, b = object("taken", 0)
	first.set(e.Key, []byte("somebody else's"))
	if err := r.Log(e, func() error { return first.Put(t.Context(), e.Key, sink.Bytes(b)) }); fault.Of(err) != fault.Conflict {
		t.Errorf("log: %v", err)
	}
	e, _ = object("taken later", 0)
	if err := r.Log(e, func() error { return down }); err == nil {
		t.Error("log: no error")
	}
	first.set(e.Key, []byte("somebody else's"))
	r = r.again()
	r.commit()
	if got, _ = replay(t, first, k.verifier); r.Status().Owed != 0 {
		t.Error("what was dropped is still owed")
	}
	sameEntries(t, got, want)

	for _, bad := range []string{"", "../a", "a\rb", strings.Repeat("k", tree.MaxEntry)} {
		called := false
		if err := r.Log(tree.Of(bad, nil), func() error { called = true; return nil }); err == nil || called {
			t.Errorf("%.20q is taken: %v, %t", bad, err, called)
		}
	}
}

// TestBacklog: more than a batch can hold goes into several.
func TestBacklog(t *testing.T) {
	t.Parallel()
	k := newKey(t, origin)
	first := newStore()
	r := open(t, k.file, t.TempDir(), first)
	var want []tree.Entry
	var lines []byte
	for i := range 9000 {
		pack := "cp-"
		if i < 4000 {
			pack = strings.Repeat("k", 1050) // 4,000 of them are larger than a batch can be
		}
		e := tree.Of(fmt.Sprintf("prod/%s%d/2026/03/20260331T180000Z/gap.json", pack, i), nil)
		first.set(e.Key, []byte{})
		want = append(want, e)
		lines = append(append(lines, e.String()...), '\n')
	}
	if err := os.WriteFile(filepath.Join(r.dir, "owed"), lines, 0o600); err != nil {
		t.Fatal(err)
	}
	r.commit()
	got, head := replay(t, first, k.verifier)
	sameEntries(t, got, want)
	if head.Batches < 3 {
		t.Errorf("there are %d batches", head.Batches)
	}
}

// TestDeterministic: three replicas, each with a copy of the batches, write the same
// checkpoints and tiles.
func TestDeterministic(t *testing.T) {
	t.Parallel()
	k := newKey(t, origin)
	first := newStore()
	r := open(t, k.file, t.TempDir(), first)
	for i := range 4 {
		r.append(fmt.Sprint(i, "x"), 0, 100)
	}
	for range 3 {
		copied := newStore()
		for key, b := range first.objects {
			if strings.HasPrefix(key, tree.BatchDir) {
				copied.set(key, b)
			}
		}
		dir := t.TempDir()
		tip := `{"origin":"` + origin + `","batches":0,"last":-1,"size":0,"edge":null,"keys":null}`
		if err := os.WriteFile(filepath.Join(dir, "tip"), []byte(tip), 0o600); err != nil { // it follows from the first batch on
			t.Fatal(err)
		}
		open(t, k.file, dir, copied).commit()
		for key, b := range first.objects {
			if strings.HasPrefix(key, tree.Dir) && string(copied.get(key)) != string(b) {
				t.Errorf("another replica writes another %s", key)
			}
		}
	}
}

// TestRun: entries are appended at intervals, and what is owed at the end.
func TestRun(t *testing.T) {
	t.Parallel()
	k := newKey(t, origin)
	first, dir := newStore(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := open(t, k.file, dir, first)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		synctest.Wait()
		r.log("a", 0)
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		if got, _ := replay(t, first, k.verifier); len(got) != 1 {
			t.Errorf("after an interval there are %d entries", len(got))
		}
		r.log("a", 1)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if got, _ := replay(t, first, k.verifier); len(got) != 2 {
		t.Errorf("at the end there are %d entries", len(got))
	}
}

// TestRunAtOnce: a record that says what is to be is in the ledger before time goes by;
// what was sealed waits for the interval.
func TestRunAtOnce(t *testing.T) {
	t.Parallel()
	k := newKey(t, origin)
	for _, c := range []struct {
		name  string
		log   func(r *replica) error
		waits bool
	}{
		{"plan", func(r *replica) error {
			return r.LogRecord(t.Context(), evidence.Plan{Since: time.Now().UTC(), Tool: "packseal/test"})
		}, false},
		{"slate", func(r *replica) error { return r.LogRecord(t.Context(), evidence.Slate{Tool: "packseal/test"}) }, false},
		{"policy", func(r *replica) error { return r.LogRecord(t.Context(), evidence.Policy{Tool: "packseal/test"}) }, false},
		{"epoch", func(r *replica) error { return r.LogRecord(t.Context(), evidence.Epoch{Tool: "packseal/test"}) }, false},
		{"gap", func(r *replica) error { r.log("a", 0); return nil }, true},
		{"a plan that no sink took", func(r *replica) error {
			err := r.Log(tree.Of(evidence.PlanDir+"20260301T000000Z-0123456789ab.json", nil), func() error { return down })
			if err == nil {
				t.Error("it was logged")
			}
			return nil
		}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			first := newStore()
			r := open(t, k.file, t.TempDir(), first)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- r.Run(ctx) }()
			synctest.Wait()
			began := time.Now()
			if err := c.log(r); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := first.get(tree.BatchKey(0)) == nil; got != c.waits || time.Since(began) != 0 {
				t.Errorf("%s: waits: %t, after %s", c.name, got, time.Since(began))
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAfter: who has seen some entries gets those that follow, checked against the tip.
func TestAfter(t *testing.T) {
	t.Parallel()
	k := newKey(t, origin)
	first := newStore()
	r := open(t, k.file, t.TempDir(), first)
	for i := range 600 {
		r.log("a", i)
		if i == 100 || i == 599 {
			r.commit()
		}
	}
	var all []tree.Entry
	edges := []tree.Edge{{}}
	for e, err := range r.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
		edges = append(edges, edges[len(edges)-1].Add([]tree.Entry{e}))
	}
	for _, seen := range []int{0, 1, 100, 255, 256, 257, 511, 512, 599, 600} {
		got, err := collect(r.After(t.Context(), edges[seen]))
		if err != nil || !slices.Equal(got, all[seen:]) {
			t.Errorf("after %d there are %d entries: %v", seen, len(got), err)
		}
	}
	other := edges[300].Add(all[300:301])
	other.Hashes[0][0] ^= 1
	for name, edge := range map[string]tree.Edge{"of another ledger": other, "beyond the tip": edges[600].Add(all[:1])} {
		if _, err := collect(r.After(t.Context(), edge)); fault.Of(err) != fault.Damaged {
			t.Errorf("an edge %s: %v", name, err)
		}
	}
}

func collect(seq iter.Seq2[tree.Entry, error]) (all []tree.Entry, err error) {
	for e, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

// TestRecords: the ledger's own records lie in the sinks and are logged; an epoch
// comes first.
func TestRecords(t *testing.T) {
	t.Parallel()
	k := newKey(t, origin)
	first, mirror := newStore(), newStore()
	r := open(t, k.file, t.TempDir(), first, mirror)
	at := time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC)
	r.log("a", 0)
	for _, record := range []ledger.Record{
		evidence.Policy{Keep: "3y", Since: at, Tool: "packseal/test"},
		evidence.Slate{From: at, Until: at.Add(time.Hour), Tool: "packseal/test"},
		evidence.Epoch{Origin: "example.com/before", Reason: "its key was stolen", Size: 3, Tool: "packseal/test"},
	} {
		if err := r.LogRecord(t.Context(), record); err != nil {
			t.Fatal(err)
		}
	}
	r.commit()
	got, _ := replay(t, first, k.verifier)
	if len(got) != 4 || got[0].Kind() != tree.Epoch {
		t.Errorf("the entries are %v", got)
	}
	for _, e := range got[:3] {
		if b := mirror.get(e.Key); e.Kind() != tree.Manifest && (len(b) == 0 || tree.Of(e.Key, b) != e) {
			t.Errorf("the mirror has %q under %s", b, e.Key)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	k := newKey(t, origin)
	keys, err := ledger.ReadKeys(k.file, origin)
	if err != nil {
		t.Fatal(err)
	}
	good := ledger.Options{Origin: origin, Keys: keys, Dir: t.TempDir(), Tool: "packseal/test", Logger: discard, Sinks: []ledger.Target{{Name: "weak", Sink: weak{newStore()}}}}
	_, err = ledger.Open(good)
	if fault.Of(err) != fault.SinkDenied || !strings.Contains(err.Error(), "sink weak") || !strings.Contains(err.Error(), "conditional_writes: off") || fault.Hint(err) == "" {
		t.Errorf("a first sink in the weaker mode: %v", err)
	}
	good.Sinks = []ledger.Target{{Name: "a", Sink: newStore()}, {Name: "weak", Sink: sink.Retrying(weak{newStore()}, fault.Backoff{}, 2)}}
	if _, err := ledger.Open(good); err != nil {
		t.Errorf("a further sink in the weaker mode: %v", err)
	}
	good.Keys = ledger.Keys{}
	if _, err := ledger.Open(good); fault.Of(err) != fault.Credentials {
		t.Errorf("without a key: %v", err)
	}
}

// weak is a sink in the weaker mode.
type weak struct{ *store }

func (weak) Weaker() string { return "conditional_writes: off" }

// TestLocked: of two processes on one state folder, one commits, and takes what the
// other owes.
func TestLocked(t *testing.T) {
	t.Parallel()
	k := newKey(t, origin)
	first := newStore()
	r := open(t, k.file, t.TempDir(), first)
	other := r.again()
	want := []tree.Entry{r.log("a", 0), other.log("b", 0)}
	first.breaks(func(op, key string) error {
		if key == tree.BatchKey(0) && op == "put" {
			if err := other.Commit(context.Background()); fault.Of(err) != fault.Busy {
				t.Errorf("the other process: %v", err)
			}
		}
		return nil
	}, nil)
	r.commit()
	other.append("b", 1, 2)
	want = append(want, other.append("b", 2, 3)...)
	e, _ := object("b", 1)
	want = append(want, e)
	want = append(want, r.append("a", 5, 6)...)
	got, _ := replay(t, first, k.verifier)
	sameEntries(t, got, want)
	if keys := slices.Collect(maps.Keys(r.batches())); len(keys) != 4 {
		t.Errorf("the batches are %v", keys)
	}
}
