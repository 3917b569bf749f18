package ledger

import (
	"context"
	"slices"
	"strings"

	"packseal.example/archive/ledger/tree"
)

// Export writes the ledger up to its tip as a C2SP tlog-tiles tree, for mirrors and
// foreign tools: all tiles that are full, those at the end that are not, and, last,
// "checkpoint". put stores a file under a path.
func (l *Ledger) Export(ctx context.Context, put func(path string, data []byte) error) error {
	l.mu.Lock()
	latest, err := l.latest()
	if err != nil {
		l.mu.Unlock()
		return err
	}
	entries := l.entries(ctx, l.tip, tree.Edge{})
	l.mu.Unlock()
	last, err := latest(ctx)
	if err != nil {
		return err
	}
	var x exporter
	for e, err := range entries {
		if err != nil {
			return err
		}
		if err := x.add(e, put); err != nil {
			return err
		}
	}
	if err := x.end(put); err != nil {
		return err
	}
	return put("checkpoint", last.Raw)
}

// exporter makes the tiles of an export.
type exporter struct {
	tiler tree.Tiler
	tail  []tree.Entry
}

func (x *exporter) add(e tree.Entry, put func(string, []byte) error) error {
	if x.tail = append(x.tail, e); len(x.tail) < tree.TileWidth {
		return nil
	}
	full := slices.DeleteFunc(x.tiler.Fill(x.tail), func(t tree.Tile) bool { return strings.Contains(t.Key, ".p/") })
	x.tail = x.tail[:0]
	return putTiles(full, put)
}

func (x *exporter) end(put func(string, []byte) error) error {
	return putTiles(append(x.tiler.Above(), x.tiler.Rest(x.tail)...), put)
}

func putTiles(tiles []tree.Tile, put func(string, []byte) error) error {
	for _, t := range tiles {
		if err := put(strings.TrimPrefix(t.Key, tree.Dir), t.Data); err != nil {
			return err
		}
	}
	return nil
}
