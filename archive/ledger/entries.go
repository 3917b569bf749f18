package ledger

import (
	"context"
	"crypto/sha256"
	"iter"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

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
	tiles := &hashes{l, ctx, t.tiler.Full, t.tiler.Clone().Rows, t.tail[:len(t.tail):len(t.tail)], make(map[string][]tlog.Hash)}
	at := *t
	return func(yield func(tree.Entry, error) bool) {
		edge := edge.Add(nil)
		for e, err := range tiles.from(&at, edge.Size) {
			if err != nil {
				yield(tree.Entry{}, err)
				return
			}
			if edge.Append(e.Leaf()); !yield(e, nil) {
				return
			}
		}
		if edge.Size != at.head.Edge.Size || edge.Root() != at.head.Edge.Root() {
			l.untiled.Store(true)
			yield(tree.Entry{}, fault.New(fault.Damaged, "the tiles of the ledger do not give the root of its checkpoint %s", at.head.Checkpoint()))
		}
	}
}

// from yields the entries from an index on, from the tiles as far as they are good, and
// the rest from the batches.
func (h *hashes) from(t *tip, seen int64) iter.Seq2[tree.Entry, error] {
	return func(yield func(tree.Entry, error) bool) {
		for ; seen < h.full*tree.TileWidth; seen += tree.TileWidth - seen%tree.TileWidth {
			part, err := h.tile(seen / tree.TileWidth)
			if lost(err) { // the tiles are derived, and anybody can have written them first
				h.batched(h.ctx, t, seen)(yield)
				return
			}
			if err != nil {
				yield(tree.Entry{}, err)
				return
			}
			for _, e := range part[seen%tree.TileWidth:] {
				if !yield(e, nil) {
					return
				}
			}
		}
		for _, e := range h.tail[min(seen-h.full*tree.TileWidth, int64(len(h.tail))):] {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// lost reports whether an object is not there, or not what it should be.
func lost(err error) bool { return fault.Of(err) == fault.NotFound || fault.Of(err) == fault.Damaged }

// batched yields the entries from an index on, from the batches: back from the last one,
// which the tip is of, and then forward.
func (l *Ledger) batched(ctx context.Context, t *tip, from int64) iter.Seq2[tree.Entry, error] {
	return func(yield func(tree.Entry, error) bool) {
		c := &commit{Ledger: l, problems: make(map[Problem]bool)}
		var links []link // the last one first
		edge, n := t.head.Edge, t.last
		for ; edge.Size > from; n-- {
			b, raw, err := c.linked(ctx, n, edge)
			if err != nil {
				yield(tree.Entry{}, err)
				return
			}
			if links = append(links, link{sha256.Sum256(raw), b == nil}); b != nil {
				edge = b.Before
			}
		}
		skip := from - edge.Size
		for _, k := range slices.Backward(links) {
			if n++; k.void {
				continue
			}
			var b tree.Batch
			raw, err := c.linkAt(ctx, n, k)
			if err == nil {
				b, err = tree.Unverified(raw)
			}
			if err != nil {
				yield(tree.Entry{}, err)
				return
			}
			for _, e := range b.Entries[min(max(skip, 0), int64(len(b.Entries))):] {
				if !yield(e, nil) {
					return
				}
			}
			skip -= int64(len(b.Entries))
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

// tile returns the entries of a full tile. It is fault.Damaged if they do not come to
// the hash above them.
func (h *hashes) tile(n int64) ([]tree.Entry, error) {
	if h.untiled.Load() {
		return nil, fault.New(fault.Damaged, "the tiles do not give the root of the tip")
	}
	key := tree.EntriesKey(n, tree.TileWidth)
	raw, ok, err := read(h.ctx, h.Sinks[0], key)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "the sink %s lacks the tile %s of the ledger", h.Sinks[0].Name, key)
	}
	if err != nil {
		return nil, err
	}
	entries, err := tree.ParseEntries(raw)
	if err != nil {
		return nil, err
	}
	root, err := h.tiled(8, n)
	if err == nil && (len(entries) != tree.TileWidth || tree.Edge{}.Add(entries).Root() != root) {
		err = fault.New(fault.Damaged, "%s in sink %s does not give the hash above it", key, h.Sinks[0].Name)
	}
	return entries, err
}
