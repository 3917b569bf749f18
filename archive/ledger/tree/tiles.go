package tree

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// TileWidth is how many leaves, or hashes of the level below, a full tile covers.
const TileWidth = 256

// A Tile is an object of a C2SP tlog-tiles tree.
type Tile struct {
	Key  string // below TileDir
	Data []byte
}

// EntriesKey returns the key of the tile of the entries [n*256, n*256+w).
func EntriesKey(n int64, w int) string { return TileDir + "entries/" + tilePath(n, w) }

// TileKey returns the key of a tile of hashes. Level 0 are the leaves'.
func TileKey(level int, n int64, w int) string {
	return fmt.Sprintf("%s%d/%s", TileDir, level, tilePath(n, w))
}

func tilePath(n int64, w int) string {
	if w == TileWidth {
		return Number(n)
	}
	return fmt.Sprintf("%s.p/%d", Number(n), w)
}

// FormatEntries writes a tile of entries: each after its length in two bytes.
func FormatEntries(entries []Entry) (b []byte) {
	for _, e := range entries {
		s := e.String()
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	return b
}

// ParseEntries reads a tile of entries.
func ParseEntries(b []byte) (entries []Entry, err error) {
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
			return nil, damaged("a tile of entries ends within an entry")
		}
		end := 2 + int(binary.BigEndian.Uint16(b))
		e, err := ParseEntry(string(b[2:end]))
		if err != nil {
			return nil, err
		}
		entries, b = append(entries, e), b[end:]
	}
	if len(entries) > TileWidth {
		return nil, damaged("a tile of %d entries", len(entries))
	}
	return entries, nil
}

// ParseHashes reads a tile of hashes.
func ParseHashes(b []byte) ([]tlog.Hash, error) {
	if len(b)%tlog.HashSize != 0 || len(b) > TileWidth*tlog.HashSize {
		return nil, damaged("a tile of %d bytes is not one of hashes", len(b))
	}
	hashes := make([]tlog.Hash, 0, len(b)/tlog.HashSize)
	for h := range slices.Chunk(b, tlog.HashSize) {
		hashes = append(hashes, tlog.Hash(h))
	}
	return hashes, nil
}

func formatHashes(hashes []tlog.Hash) (b []byte) {
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

// Tiler makes tiles, 256 entries at a time. The zero Tiler begins with the first.
type Tiler struct {
	Full int64         // tiles of entries that are full
	Rows [][]tlog.Hash // of the levels from 1 on, the hashes of the tile that is not full
}

// Unfilled returns the keys of the tiles whose hashes are Rows[0], Rows[1], … of
// the Tiler after that many full tiles of entries; "" where it has none.
func Unfilled(full int64) (keys []string) {
	for level := 1; full > 0; level++ {
		key := ""
		if w := int(full % TileWidth); w > 0 {
			key = TileKey(level, full/TileWidth, w)
		}
		keys, full = append(keys, key), full/TileWidth
	}
	return keys
}

// Fill returns the tiles that become full with the next 256 entries, and the tiles
// of hashes above them as they are then, in the order in which they are written.
func (t *Tiler) Fill(entries []Entry) []Tile {
	hashes := leaves(entries)
	tiles := []Tile{
		{EntriesKey(t.Full, TileWidth), FormatEntries(entries)},
		{TileKey(0, t.Full, TileWidth), formatHashes(hashes)},
	}
	t.Full++
	for level, count := 1, t.Full; ; level, count = level+1, count/TileWidth {
		for len(t.Rows) < level {
			t.Rows = append(t.Rows, nil)
		}
		row := append(t.Rows[level-1], root(hashes))
		tiles = append(tiles, Tile{TileKey(level, (count-1)/TileWidth, len(row)), formatHashes(row)})
		if t.Rows[level-1] = row; len(row) < TileWidth {
			return tiles
		}
		t.Rows[level-1], hashes = nil, row
	}
}

// Above returns the tiles of hashes above the full ones of entries that are not full.
func (t *Tiler) Above() (tiles []Tile) {
	for level, key := range Unfilled(t.Full) {
		if key != "" {
			tiles = append(tiles, Tile{key, formatHashes(t.Rows[level])})
		}
	}
	return tiles
}

// Rest returns the tiles of the entries after the full ones, fewer than 256, which
// only an export has.
func (t *Tiler) Rest(entries []Entry) []Tile {
	if len(entries) == 0 {
		return nil
	}
	return []Tile{
		{EntriesKey(t.Full, len(entries)), FormatEntries(entries)},
		{TileKey(0, t.Full, len(entries)), formatHashes(leaves(entries))},
	}
}

func leaves(entries []Entry) []tlog.Hash {
	hashes := make([]tlog.Hash, len(entries))
	for i, e := range entries {
		hashes[i] = e.Leaf()
	}
	return hashes
}

// root returns the root of a full tile.
func root(hashes []tlog.Hash) tlog.Hash {
	var e Edge
	for _, h := range hashes {
		e.Append(h)
	}
	return e.Root()
}

// LastTile returns the key of the tile that [Tiler.Fill] returns last when it comes
// to that many full tiles of entries, which are at least one.
func LastTile(full int64) string {
	level := 1
	for ; full%TileWidth == 0; level++ {
		full /= TileWidth
	}
	return TileKey(level, full/TileWidth, int(full%TileWidth))
}

// Edge returns the edge of the tree of all full tiles.
func (t *Tiler) Edge() Edge {
	e := Edge{Size: t.Full * TileWidth}
	for _, row := range slices.Backward(t.Rows) {
		var part Edge
		for _, h := range row {
			part.Append(h)
		}
		e.Hashes = append(e.Hashes, part.Hashes...)
	}
	return e
}

// Clone returns a copy.
func (t *Tiler) Clone() Tiler {
	c := Tiler{Full: t.Full}
	for _, row := range t.Rows {
		c.Rows = append(c.Rows, slices.Clone(row))
	}
	return c
}
