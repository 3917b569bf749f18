package ledger

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// unknown is the error of a ledger before the first Commit.
func unknown() error { return fault.New(fault.Unavailable, "nothing is known of the ledger yet") }

// Latest is a checkpoint, which the ledger's key signed.
type Latest struct {
	N          int64 // of its batch
	Checkpoint tree.Checkpoint
	Raw        []byte // as it is stored
}

// Latest returns the checkpoint of the tip that the last [Ledger.Commit] of this process
// has seen, from the first sink. Its error is fault.NotFound if there is no batch yet, or
// none is known.
func (l *Ledger) Latest(ctx context.Context) (Latest, error) {
	l.mu.Lock()
	read, err := l.latest()
	l.mu.Unlock()
	if err != nil {
		return Latest{}, err
	}
	return read(ctx)
}

// latest returns what reads the last checkpoint. The caller holds the lock.
func (l *Ledger) latest() (func(context.Context) (Latest, error), error) {
	if l.tip == nil || l.tip.last < 0 {
		return nil, fault.New(fault.NotFound, "the ledger has no batch yet")
	}
	n, want, known := l.tip.last, l.tip.head.Checkpoint(), l.tip.keys.verifiers()
	return func(ctx context.Context) (Latest, error) {
		c, err := l.signedCheckpoint(ctx, n, known)
		if err == nil && c.Checkpoint != want {
			err = fault.New(fault.Damaged, "%s in sink %s is %s, and the ledger's batches give %s", tree.CheckpointKey(n), l.Sinks[0].Name, c.Checkpoint, want)
		}
		return c, err
	}, nil
}

// Seen is Latest for a process that does not call Commit: of the tip that is in Dir.
func (l *Ledger) Seen(ctx context.Context) (Latest, error) {
	t, err := l.load()
	if err != nil {
		return Latest{}, err
	}
	if t == nil || t.last < 0 {
		return Latest{}, fault.New(fault.NotFound, "this replica has seen no batch of the ledger yet")
	}
	return l.signedCheckpoint(ctx, t.last, t.keys.verifiers())
}

// At returns the checkpoint after batch n, from the first sink. Its error is
// fault.NotFound if there is none, and fault.Damaged if no key signed it that signs now.
func (l *Ledger) At(ctx context.Context, n int64) (Latest, error) {
	l.mu.Lock()
	if l.tip == nil {
		l.mu.Unlock()
		return Latest{}, unknown()
	}
	known := l.tip.keys.verifiers()
	l.mu.Unlock()
	return l.signedCheckpoint(ctx, n, known)
}

func (l *Ledger) signedCheckpoint(ctx context.Context, n int64, known note.Verifiers) (c Latest, err error) {
	key := tree.CheckpointKey(n)
	raw, ok, err := read(ctx, l.Sinks[0], key)
	if err != nil {
		return c, err
	}
	if !ok {
		return c, fault.New(fault.NotFound, "sink %s lacks %s", l.Sinks[0].Name, key)
	}
	signed, _, err := tree.OpenCheckpoint(raw, known)
	if err != nil {
		return c, fmt.Errorf("%s in sink %s: %w", key, l.Sinks[0].Name, err)
	}
	return Latest{n, signed, raw}, nil
}

// Add puts what others said of a checkpoint into the first sink. The further ones get it
// with the next Commit.
func (l *Ledger) Add(ctx context.Context, key string, raw []byte) error {
	if err := l.store(ctx, key, raw); err != nil {
		return err
	}
	l.show.Lock()
	defer l.show.Unlock()
	l.added = append(l.added, key)
	return nil
}

// takeAdded returns what [Ledger.Add] has put since it was asked last.
func (l *Ledger) takeAdded() (keys []string) {
	l.show.Lock()
	defer l.show.Unlock()
	keys, l.added = l.added, nil
	return keys
}

// Changed returns a channel that is closed when a Commit of this process sees another
// tip, or succeeds for the first time.
func (l *Ledger) Changed() <-chan struct{} {
	l.show.Lock()
	defer l.show.Unlock()
	return l.changed
}

// Prove returns the proof that the tree of a checkpoint contains that of its first old
// entries, for somebody who knows the root of these. The checkpoint is one of the tip, or
// older. The proof is checked: if the ledger does not come to the checkpoint, the error is
// fault.Damaged. Where tiles are not what they should be, it is made from the entries.
func (l *Ledger) Prove(ctx context.Context, old int64, c tree.Checkpoint) (tlog.TreeProof, error) {
	if old < 0 || old > c.Size {
		return nil, fault.New(fault.Request, "there is no tree of %d entries within one of %d", old, c.Size)
	}
	if old == 0 || old == c.Size {
		return nil, nil
	}
	h, err := l.hashes(ctx)
	if err != nil {
		return nil, err
	}
	proof, err := proveTree(old, c, h)
	if lost(err) {
		var all tree.Hashes
		for e, err := range l.Entries(ctx) {
			if err == nil {
				err = all.Add(e)
			}
			if err != nil {
				return nil, err
			}
		}
		return proveTree(old, c, &all)
	}
	return proof, err
}

func proveTree(old int64, c tree.Checkpoint, h tlog.HashReader) (tlog.TreeProof, error) {
	proof, err := tlog.ProveTree(c.Size, old, h)
	if err != nil {
		return nil, err
	}
	root, err := tlog.TreeHash(old, h)
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckTree(proof, c.Size, c.Root, old, root); err != nil {
		return nil, fault.New(fault.Damaged, "the ledger's hashes do not give the root of its checkpoint %s: %w", c, err)
	}
	return proof, nil
}

// hashes is a tlog.HashReader of all hashes up to the tip: of those below full tiles from
// the sink, of the rest from memory.
type hashes struct {
	*Ledger
	ctx  context.Context
	full int64 // tiles of entries
	rows [][]tlog.Hash
	tail []tree.Entry
	read map[string][]tlog.Hash // tiles, by key
}

func (l *Ledger) hashes(ctx context.Context) (*hashes, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tip == nil {
		return nil, unknown()
	}
	t := l.tip.tiler.Clone()
	return &hashes{l, ctx, t.Full, t.Rows, l.tip.tail[:len(l.tip.tail):len(l.tip.tail)], make(map[string][]tlog.Hash)}, nil
}

// ReadHashes implements [tlog.HashReader].
func (h *hashes) ReadHashes(indexes []int64) (all []tlog.Hash, err error) {
	for _, i := range indexes {
		one, err := h.hash(tlog.SplitStoredHashIndex(i))
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// hash returns the n-th hash of a level: that of the leaves from n<<level on.
func (h *hashes) hash(level int, n int64) (tlog.Hash, error) {
	switch tiled := h.full * tree.TileWidth; {
	case (n+1)<<level <= tiled:
		return h.tiled(level, n)
	case level == 0 && n-tiled < int64(len(h.tail)):
		return h.tail[n-tiled].Leaf(), nil
	case level == 0:
		return tlog.Hash{}, fault.New(fault.Request, "there is no entry %d in the ledger", n)
	}
	left, err := h.hash(level-1, 2*n)
	if err != nil {
		return left, err
	}
	right, err := h.hash(level-1, 2*n+1)
	return tlog.NodeHash(left, right), err
}

// tiled returns a hash of leaves that all are in full tiles of entries.
func (h *hashes) tiled(level int, n int64) (tlog.Hash, error) {
	const height = 8 // levels of a tile
	at, width := n<<(level%height), int64(1)<<(level%height)
	row, err := h.row(level/height, at/tree.TileWidth)
	if err != nil {
		return tlog.Hash{}, err
	}
	first := at % tree.TileWidth
	if first+width > int64(len(row)) {
		return tlog.Hash{}, fault.New(fault.Damaged, "%s holds %d hashes, and the ledger has more there", tree.TileKey(level/height, at/tree.TileWidth, tree.TileWidth), len(row))
	}
	var e tree.Edge
	for _, hash := range row[first : first+width] {
		e.Append(hash)
	}
	return e.Root(), nil
}

// row returns the hashes of a tile; of the one that is not full, as many as there are.
func (h *hashes) row(level int, n int64) ([]tlog.Hash, error) {
	if count := h.full >> (8 * max(level-1, 0)); level > 0 && n == count/tree.TileWidth && level <= len(h.rows) {
		return h.rows[level-1], nil
	}
	key := tree.TileKey(level, n, tree.TileWidth)
	if row, ok := h.read[key]; ok {
		return row, nil
	}
	raw, ok, err := read(h.ctx, h.Sinks[0], key)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "the sink %s lacks the tile %s of the ledger", h.Sinks[0].Name, key)
	}
	if err != nil {
		return nil, err
	}
	row, err := tree.ParseHashes(raw)
	h.read[key] = row
	return row, err
}
