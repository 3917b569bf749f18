package ledger_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/sink"
)

// TestViewCheck: what any sink has in the place of a batch or checkpoint is named, and so
// is a void number until the ledger tells of it.
func TestViewCheck(t *testing.T) {
	t.Parallel()
	base, verifier := viewed(t) // its keys, its last batch is the third
	k := newKey(t, origin)
	forked := newStore()
	r := open(t, k.file, t.TempDir(), forked)
	r.append("a", 0, 300)
	r.commit()
	twin := newStore()
	other := open(t, k.file, t.TempDir(), twin)
	other.append("b", 0, 301)
	other.commit()
	for name, c := range map[string]struct {
		store    *store
		verifier string
		key      string
		is       []byte
		want     []string
	}{
		"whole":                       {base, verifier, "", nil, nil}, // a void number that was logged is none
		"a batch of a mirror altered": {base, verifier, tree.BatchKey(3), []byte("x"), []string{"altered b"}},
		"an older one":                {base, verifier, tree.BatchKey(0), []byte("x"), []string{"altered b"}},
		"its copy is missing":         {base, verifier, tree.BatchKey(3), nil, nil},
		"a checkpoint altered":        {base, verifier, tree.CheckpointKey(2), []byte("x"), []string{"altered b"}},
		"an older checkpoint":         {base, verifier, tree.CheckpointKey(3), base.get(tree.CheckpointKey(2)), []string{"altered b"}},
		"another tree, signed":        {forked, k.text, tree.CheckpointKey(0), twin.get(tree.CheckpointKey(0)), []string{"forked b"}},
		"planted at the next number":  {base, verifier, tree.BatchKey(5), []byte("x"), []string{"void b"}},
		"planted far ahead":           {base, verifier, tree.BatchKey(4000), []byte("x"), []string{"void b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mirror := c.store.clone()
			if c.key != "" {
				mirror.set(c.key, c.is)
			}
			v, err := look(t, c.verifier, c.store, mirror)
			if err == nil {
				err = v.Check(t.Context())
			}
			var got []string
			for _, p := range v.Problems() {
				if got = append(got, string(p.Kind)+" "+p.Sink); p.Key != c.key {
					t.Errorf("%v, want one of %s", p, c.key)
				}
			}
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("problems %v, %v; want %v", v.Problems(), err, c.want)
			}
		})
	}
}

// TestViewState: whoever has the state of a replica sees that the sinks were rolled back,
// or exchanged for others; without it they pass for whole.
func TestViewState(t *testing.T) {
	t.Parallel()
	k, s := newKey(t, origin), newStore()
	r := open(t, k.file, t.TempDir(), s)
	r.append("a", 0, 10)
	r.commit()
	early := s.clone()
	r.append("a", 10, 20)
	r.commit()
	exchanged := newStore()
	o := open(t, k.file, t.TempDir(), exchanged)
	o.append("z", 0, 10)
	o.commit()
	o.append("z", 10, 30)
	o.commit()
	for name, c := range map[string]struct {
		store *store
		want  []string
		kept  bool // entries can be read
	}{
		"whole":                   {s, nil, true},
		"rolled back":             {early, []string{"rolled_back"}, true},
		"empty":                   {newStore(), []string{"rolled_back"}, false},
		"another of the same key": {exchanged, []string{"forked"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, name, err := ledger.VerifierKeys(k.text)
			if err != nil {
				t.Fatal(err)
			}
			opts := ledger.Options{Origin: name, Keys: keys, Logger: discard, Sinks: []ledger.Target{{Name: "a", Sink: sink.Sink(c.store)}}}
			if _, err := ledger.Look(t.Context(), opts); (err == nil) != (len(c.store.objects) > 0) {
				t.Errorf("without state: %v", err)
			}
			opts.Dir = t.TempDir()
			tip, err := os.ReadFile(filepath.Join(r.dir, "tip"))
			if err == nil {
				err = os.WriteFile(filepath.Join(opts.Dir, "tip"), tip, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			before := maps.Clone(c.store.objects)
			v, err := ledger.Look(t.Context(), opts)
			var got []string
			for _, p := range v.Problems() {
				got = append(got, string(p.Kind))
			}
			if (err == nil) != c.kept || !slices.Equal(got, c.want) {
				t.Errorf("problems %v, %v; want %v", got, err, c.want)
			}
			if len(before) != len(c.store.objects) {
				t.Error("it was written to")
			}
		})
	}
}
