package ledger_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// look opens a view of a ledger with the verifier key alone.
func look(t *testing.T, verifier string, sinks ...sink.Sink) (*ledger.View, error) {
	t.Helper()
	keys, name, err := ledger.VerifierKeys(verifier)
	if err != nil {
		t.Fatal(err)
	}
	o := ledger.Options{Origin: name, Keys: keys, Logger: discard}
	for i, s := range sinks {
		o.Sinks = append(o.Sinks, ledger.Target{Name: string(rune('a' + i)), Sink: s})
	}
	return ledger.Look(t.Context(), o)
}

// viewed is a ledger with all kinds of objects: two keys, a void number, tiles, a
// record and a time stamp. The second key signed its tip.
func viewed(t *testing.T) (s *store, verifier string) {
	t.Helper()
	k1, k2 := newKey(t, origin), newKey(t, origin)
	s = newStore()
	r := open(t, k1.file, t.TempDir(), s)
	r.append("a", 0, 300)
	s.set(tree.BatchKey(1), []byte("nobody signed this"))
	r.commit() // logs that
	r = open(t, keyFile(t, k1.line, k2.line), r.dir, s)
	if err := r.LogRecord(t.Context(), evidence.Policy{Keep: "3y", Tool: "packseal/test"}); err != nil {
		t.Fatal(err)
	}
	r.commit()
	r.append("b", 0, 300)
	s.set(tree.Dir+"stamp/000/tsa.tsr", []byte("a time stamp"))
	return s, k2.text
}

// TestView: the ledger is read and copied whole, by who has a verifier key alone, and
// nothing is written to where it is read from.
func TestView(t *testing.T) {
	t.Parallel()
	s, verifier := viewed(t)
	before := maps.Clone(s.objects)
	v, err := look(t, verifier, s)
	if err != nil {
		t.Fatal(err)
	}
	var edge tree.Edge
	for e, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		edge.Append(e.Leaf())
	}
	if c := v.Checkpoint(); c.Size != 603 || edge.Size != c.Size || edge.Root() != c.Root {
		t.Errorf("the view is at %v, its entries come to %d leaves", c, edge.Size)
	}
	to := newStore()
	for range 2 { // the second time all is there
		copied, err := v.CopyTo(t.Context(), ledger.Target{Name: "copy", Sink: to})
		if err != nil || len(copied.Problems) > 0 {
			t.Fatalf("%+v, %v", copied.Problems, err)
		}
		want := maps.Clone(s.objects)
		maps.DeleteFunc(want, func(key string, _ []byte) bool { return !strings.HasPrefix(key, tree.Dir) })
		if !maps.EqualFunc(to.objects, want, bytes.Equal) || copied.Objects != len(want) {
			t.Errorf("%d objects were copied, %d are there, want %d", copied.Objects, len(to.objects), len(want))
		}
	}
	if !maps.EqualFunc(before, s.objects, bytes.Equal) {
		t.Error("the sink was written to")
	}
	if _, err := look(t, verifier, to); err != nil {
		t.Errorf("the copy: %v", err)
	}
}

// TestViewRefuses: what does not lead from the signed tip to the first batch is no
// ledger, and what another key signed is not this one.
func TestViewRefuses(t *testing.T) {
	t.Parallel()
	base, verifier := viewed(t)
	for name, c := range map[string]struct {
		key    string
		object []byte // nil: it is removed
		want   fault.Reason
	}{
		"a batch removed":       {tree.BatchKey(0), nil, fault.Conflict},
		"a batch altered":       {tree.BatchKey(0), []byte("altered"), fault.Conflict},
		"a later batch removed": {tree.BatchKey(3), nil, fault.Conflict}, // the key before signed what is left
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := base.clone()
			s.set(c.key, c.object)
			if _, err := look(t, verifier, s); err == nil {
				t.Error("it is a ledger")
			} else if fault.Of(err) != c.want && fault.Of(err) != fault.Credentials {
				t.Errorf("%v is %s, want %s", err, fault.Of(err), c.want)
			}
		})
	}
	if _, err := look(t, newKey(t, origin).text, base); fault.Of(err) != fault.Conflict || fault.Hint(err) == "" {
		t.Errorf("with another key: %v", err)
	}
	if _, err := look(t, newKey(t, origin).text, newStore()); fault.Of(err) != fault.NotFound {
		t.Errorf("where there is none: %v", err)
	}
	k := newKey(t, origin)
	if _, _, err := ledger.VerifierKeys(" " + k.line); fault.Of(err) != fault.Request || fault.Hint(err) == "" || strings.Contains(err.Error()+fault.Hint(err), k.line[len(k.line)-40:]) {
		t.Errorf("with a signing key: %v", err)
	}
	if _, _, err := ledger.VerifierKeys("no key"); fault.Of(err) != fault.Request || fault.Hint(err) == "" {
		t.Errorf("with no key: %v", err)
	}
}

// TestViewCopiesWhatIsRight: of each object the sink gets what the tip says that it is,
// and nothing else; whatever differs is named.
func TestViewCopiesWhatIsRight(t *testing.T) {
	t.Parallel()
	base, verifier := viewed(t)
	policy := func(s *store) string {
		for key := range s.objects {
			if strings.HasPrefix(key, tree.Dir+"policy/") {
				return key
			}
		}
		return ""
	}
	for name, c := range map[string]struct {
		key  func(*store) string
		is   []byte // nil: removed
		want []string
		lost bool // the sink doesn't get it
	}{
		"tile altered":              {func(*store) string { return tree.EntriesKey(0, tree.TileWidth) }, []byte("x"), []string{"altered a"}, false},
		"tile removed":              {func(*store) string { return tree.TileKey(0, 0, tree.TileWidth) }, nil, nil, false},
		"checkpoint altered":        {func(*store) string { return tree.CheckpointKey(3) }, []byte("x"), []string{"altered a", "rolled_back a"}, true},
		"checkpoint of older key":   {func(*store) string { return tree.CheckpointKey(0) }, []byte("x"), []string{"altered a", "rolled_back a"}, true},
		"record altered":            {policy, []byte("{}"), []string{"altered a", "rolled_back a"}, true},
		"record removed":            {policy, nil, []string{"rolled_back a"}, true},
		"record that nobody logged": {func(*store) string { return tree.Dir + "plan/20260331T180000Z-0123456789ab.json" }, []byte("{}"), []string{"altered a"}, true},
		"batch beyond the tip":      {func(*store) string { return tree.BatchKey(2000) }, []byte("x"), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, whole, key := base.clone(), base, c.key(base)
			s.set(key, c.is)
			v, err := look(t, verifier, s)
			if err != nil {
				t.Fatal(err)
			}
			to := newStore()
			copied, err := v.CopyTo(t.Context(), ledger.Target{Name: "copy", Sink: to})
			var got []string
			for _, p := range copied.Problems {
				if got = append(got, string(p.Kind)+" "+p.Sink); p.Key != key {
					t.Errorf("%v, want one of %s", p, key)
				}
			}
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("problems %v, %v; want %v", copied.Problems, err, c.want)
			}
			if is := to.get(key); (is == nil) != c.lost || is != nil && !bytes.Equal(is, whole.get(key)) {
				t.Errorf("the copy has %q", is)
			}
			if v, err = look(t, verifier, s, whole); err != nil { // another sink has it as it should be
				t.Fatal(err)
			}
			to = newStore()
			to.set(tree.BatchKey(0), []byte("other bytes"))
			copied, err = v.CopyTo(t.Context(), ledger.Target{Name: "copy", Sink: to})
			if err != nil || !slices.ContainsFunc(copied.Problems, func(p ledger.Problem) bool { return p.Sink == "copy" && p.Key == tree.BatchKey(0) }) {
				t.Errorf("into other bytes: %v, %v", copied.Problems, err)
			}
			if is := to.get(key); whole.get(key) != nil && !bytes.Equal(is, whole.get(key)) {
				t.Errorf("from two sinks, the copy has %q", is)
			}
			if got := string(to.get(tree.BatchKey(0))); got != "other bytes" {
				t.Errorf("other bytes were replaced by %q", got)
			}
		})
	}
}

// TestViewHole: a ledger whose batches go on beyond one that was removed does not end
// before that.
func TestViewHole(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	if _, err := look(t, s.k.text, s.first); err != nil {
		t.Fatal(err)
	}
	s.first.set(tree.BatchKey(2), nil)
	if _, err := look(t, s.k.text, s.first); fault.Of(err) != fault.Conflict || !strings.Contains(err.Error(), string(ledger.RolledBack)) {
		t.Errorf("%v", err)
	}
	if v, err := look(t, s.k.text, s.first, s.mirror); err != nil || v.Checkpoint() != s.Status().Checkpoint {
		t.Errorf("where another sink has it: %v", err)
	}
}
