package ledger_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// exported reads an export as an implementation of others does.
type exported struct {
	*testing.T
	dir string
}

func (exported) Height() int { return 8 }

func (x exported) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, t := range tiles {
		b, err := os.ReadFile(filepath.Join(x.dir, strings.TrimPrefix(tree.TileKey(t.L, t.N, t.W), tree.Dir)))
		if err != nil {
			return nil, err
		}
		data = append(data, b)
	}
	return data, nil
}

func (exported) SaveTiles([]tlog.Tile, [][]byte) {}

// TestExport: every entry is proven by the export alone. PACKSEAL_EXPORT names a
// folder to keep it in, for foreign tools.
func TestExport(t *testing.T) {
	t.Parallel()
	k, s := newKey(t, origin), newStore()
	r := open(t, k.file, t.TempDir(), s)
	if err := r.Export(t.Context(), nil); fault.Of(err) != fault.NotFound {
		t.Errorf("of nothing: %v", err)
	}
	want := r.append("a", 0, 2)
	for i := range 700 {
		want = append(want, tree.Of(tree.PrunedKey(fmt.Sprintf("prod/cp-%d/report.xls", i)), nil))
	}
	for _, e := range want[2:] {
		if err := r.Log(e, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	r.commit()
	dir := t.TempDir()
	if keep := os.Getenv("PACKSEAL_EXPORT"); keep != "" {
		dir = keep
		t.Log(k.text)
	}
	var paths []string
	err := r.Export(t.Context(), func(path string, data []byte) error {
		paths = append(paths, path)
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, path), data, 0o600)
	})
	if want := "tile/entries/000 tile/0/000 tile/entries/001 tile/0/001 tile/1/000.p/2 tile/entries/002.p/190 tile/0/002.p/190 checkpoint"; err != nil || strings.Join(paths, " ") != want {
		t.Fatalf("%v: the export has %s, want %s", err, strings.Join(paths, " "), want)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := tree.OpenCheckpoint(raw, note.VerifierList(k.verifier))
	if err != nil || c.Size != 702 {
		t.Fatalf("the checkpoint is %v, %v", c, err)
	}
	hashes := tlog.TileHashReader(tlog.Tree{N: c.Size, Hash: c.Root}, exported{t, dir})
	got, _ := replay(t, s, k.verifier)
	if !slices.Equal(slices.Sorted(keysOf(got)), slices.Sorted(keysOf(want))) {
		t.Error("the ledger does not have what was logged")
	}
	for i, e := range got {
		if i%97 != 0 && i != len(got)-1 {
			continue
		}
		p, err := tlog.ProveRecord(c.Size, int64(i), hashes)
		if err == nil {
			err = tlog.CheckRecord(p, c.Size, c.Root, int64(i), e.Leaf())
		}
		if err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
	}
}

// keysOf yields the keys of entries.
func keysOf(entries []tree.Entry) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, e := range entries {
			if !yield(e.Key) {
				return
			}
		}
	}
}
