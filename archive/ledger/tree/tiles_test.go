package tree_test

import (
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// many is a number of leaves whose tree has three levels of tiles.
const many = 256*256 + 3*256 + 77

// tiled are the tiles of many entries, by key.
func tiled(t testing.TB, entries []tree.Entry) (map[string][]byte, *tree.Tiler) {
	t.Helper()
	tiles, tiler := make(map[string][]byte), new(tree.Tiler)
	put := func(all []tree.Tile) {
		for _, tile := range all {
			if _, ok := tiles[tile.Key]; ok {
				t.Errorf("%s is written twice", tile.Key)
			}
			tiles[tile.Key] = tile.Data
		}
	}
	for len(entries) >= tree.TileWidth {
		put(tiler.Fill(entries[:tree.TileWidth]))
		entries = entries[tree.TileWidth:]
	}
	put(tiler.Rest(entries))
	return tiles, tiler
}

// reader reads tiles as an implementation of others asks for them.
type reader struct {
	*testing.T
	tiles map[string][]byte
}

func (r reader) Height() int { return 8 }

func (r reader) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, tile := range tiles {
		b, ok := r.tiles[tree.TileKey(tile.L, tile.N, tile.W)]
		if !ok {
			r.Errorf("there is no tile %s", tree.TileKey(tile.L, tile.N, tile.W))
		}
		data = append(data, b)
	}
	return data, nil
}

func (r reader) SaveTiles([]tlog.Tile, [][]byte) {}

// TestTiles: an implementation of others proves entries from the tiles alone, and
// the entries are those that went in.
func TestTiles(t *testing.T) {
	t.Parallel()
	all := entries(0, many)
	tiles, tiler := tiled(t, all)
	edge := tree.Edge{}.Add(all)
	r := tlog.TileHashReader(tlog.Tree{N: many, Hash: edge.Root()}, reader{t, tiles})
	signer, verifier := key(t, origin, 1)
	checkpoint, err := tree.Checkpoint{Origin: origin, Size: many, Root: edge.Root()}.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int64{0, 1, 255, 256, 65535, 65536, 66000, many - 78, many - 77, many - 1} {
		hashes, err := tlog.ProveRecord(many, i, r)
		if err != nil {
			t.Fatal(err)
		}
		p := tree.Proof{Key: all[i].Key, Index: i, Hashes: hashes, Checkpoint: checkpoint}
		again, err := tree.ParseProof(p.Format())
		if err != nil {
			t.Fatal(err)
		}
		object := []byte(all[i].Key[len("prod/cp-"):])
		object = object[:slices.Index(object, '/')]
		if c, err := again.Check(object, note.VerifierList(verifier)); err != nil || c.Size != many {
			t.Errorf("entry %d: %v", i, err)
		}
		if _, err := again.Check([]byte("x"), note.VerifierList(verifier)); fault.Of(err) != fault.Damaged {
			t.Errorf("entry %d of other bytes: %v", i, err)
		}
		again.Index ^= 1
		if _, err := again.Check(object, note.VerifierList(verifier)); fault.Of(err) != fault.Damaged {
			t.Errorf("entry %d as another one: %v", i, err)
		}
	}
	var got []tree.Entry
	for n := range int64(many/tree.TileWidth + 1) {
		es, err := tree.ParseEntries(tiles[tree.EntriesKey(n, min(tree.TileWidth, many-int(n)*tree.TileWidth))])
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, es...)
	}
	if !slices.Equal(got, all) {
		t.Error("the tiles of entries do not have what went in")
	}
	for level, key := range tree.Unfilled(tiler.Full) {
		row := tiler.Rows[level]
		if hashes, err := tree.ParseHashes(tiles[key]); err != nil || !slices.Equal(hashes, row) {
			t.Errorf("%q has %d hashes, not the %d of its row, %v", key, len(hashes), len(row), err)
		}
	}
}

// TestUnfilled: at every size, the keys are of tiles that were written.
func TestUnfilled(t *testing.T) {
	t.Parallel()
	var tiler tree.Tiler
	written := make(map[string]bool)
	es := entries(0, tree.TileWidth)
	for range 2*tree.TileWidth + 2 {
		for _, tile := range tiler.Fill(es) {
			written[tile.Key] = true
		}
		keys := tree.Unfilled(tiler.Full)
		if len(keys) > len(tiler.Rows) {
			t.Fatalf("after %d tiles there are %d levels, not %d", tiler.Full, len(tiler.Rows), len(keys))
		}
		for level, key := range keys {
			if (key == "") != (len(tiler.Rows[level]) == 0) || key != "" && !written[key] {
				t.Fatalf("after %d tiles, %q of level %d was not written", tiler.Full, key, level+1)
			}
		}
	}
}
