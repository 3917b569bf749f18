package ledger

import (
	"context"
	"crypto/sha256"
	"iter"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// Entries yields all entries in order, up to the tip that the last [Ledger.Commit]
// of this process has seen: the full tiles', then the last batches'. After the last
// one they have been checked against the tip; if they do not come to it, the error
// that ends them is fault.Damaged.
func (l *Ledger) Entries(ctx context.Context) iter.Seq2[tree.Entry, error] {
	return l.After(ctx, tree.Edge{})
}

// After yields the entries that follow those of an edge, as [Ledger.Entries] does: for
// whoever has seen these. The error is fault.Damaged, too, if the edge is not of this
// ledger.
func (l *Ledger) After(ctx context.Context, edge tree.Edge) iter.Seq2[tree.Entry, error] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tip == nil {
		return func(yield func(tree.Entry, error) bool) {
			yield(tree.Entry{}, unknown())
		}
	}
	return l.entries(ctx, l.tip, edge)
}

func (l *Ledger) entries(ctx context.Context, t *tip, edge tree.Edge) iter.Seq2[tree.Entry, error] {
	full, tail, head := t.tiler.Full, t.tail[:len(t.tail):len(t.tail)], t.head
	return func(yield func(tree.Entry, error) bool) {
		edge, seen := edge.Add(nil), edge.Size
		for n := min(seen/tree.TileWidth, full); n <= full; n++ {
			part, err := tail, error(nil)
			if n < full {
				part, err = l.tileOf(ctx, n)
			}
			if err != nil {
				yield(tree.Entry{}, err)
				return
			}
			for _, e := range part[min(max(0, seen-n*tree.TileWidth), int64(len(part))):] {
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

// ReadRecord returns the record that an entry is of, from a sink that has it as it was
// logged. The error is fault.NotFound if none has.
func (l *Ledger) ReadRecord(ctx context.Context, e tree.Entry) ([]byte, error) {
	for _, t := range l.Sinks {
		raw, ok, err := read(ctx, t, e.Object())
		if err != nil {
			return nil, err
		}
		if ok && sha256.Sum256(raw) == e.Sum {
			return raw, nil
		}
	}
	return nil, fault.New(fault.NotFound, "no sink has %s as it was logged", e.Object())
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
