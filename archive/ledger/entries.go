package ledger

import (
	"context"
	"iter"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// Entries yields all entries in order, up to the tip that the last [Ledger.Commit]
// of this process has seen: the full tiles', then the last batches'. After the last
// one they have been checked against the tip; if they do not come to it, the error
// that ends them is fault.Damaged.
func (l *Ledger) Entries(ctx context.Context) iter.Seq2[tree.Entry, error] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tip == nil {
		return func(yield func(tree.Entry, error) bool) {
			yield(tree.Entry{}, unknown())
		}
	}
	return l.entries(ctx, l.tip)
}

func (l *Ledger) entries(ctx context.Context, t *tip) iter.Seq2[tree.Entry, error] {
	full, tail, head := t.tiler.Full, t.tail[:len(t.tail):len(t.tail)], t.head
	return func(yield func(tree.Entry, error) bool) {
		var edge tree.Edge
		for n := range full + 1 {
			part, err := tail, error(nil)
			if n < full {
				part, err = l.tileOf(ctx, n)
			}
			if err != nil {
				yield(tree.Entry{}, err)
				return
			}
			for _, e := range part {
				if edge.Append(e.Leaf()); !yield(e, nil) {
					return
				}
			}
		}
		if edge.Size != head.Edge.Size || edge.Root() != head.Edge.Root() {
			yield(tree.Entry{}, fault.New(fault.Damaged, "the tiles of the ledger do not come to its checkpoint %s", head.Checkpoint()))
		}
	}
}

// tileOf returns the entries of a full tile.
func (l *Ledger) tileOf(ctx context.Context, n int64) ([]tree.Entry, error) {
	raw, ok, err := read(ctx, l.Sinks[0], tree.EntriesKey(n, tree.TileWidth))
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "the sink %s lacks the tile %s of the ledger", l.Sinks[0].Name, tree.EntriesKey(n, tree.TileWidth))
	}
	if err != nil {
		return nil, err
	}
	return tree.ParseEntries(raw)
}
