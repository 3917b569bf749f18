package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// start finds the tip of a ledger of which this replica knows nothing.
func (c *commit) start(ctx context.Context) (*tip, error) {
	t, have, err := c.find(ctx)
	if err != nil {
		return nil, err
	}
	c.tip = t
	if err := c.holes(ctx, have); err != nil {
		return nil, err
	}
	if err := c.restore(ctx, t); err != nil {
		return nil, err
	}
	if err := c.announcements(ctx, t); err != nil {
		return nil, err
	}
	if err := c.forget(ctx, t); err != nil {
		return nil, err
	}
	return t, c.save(t)
}

// forget drops what is owed and the ledger has: this replica's tip was removed, or a crash
// came before it was saved. What this process stored itself is not there yet.
func (c *commit) forget(ctx context.Context, t *tip) error {
	owed, err := c.owed.all()
	if err != nil {
		return err
	}
	before := make(map[tree.Entry]bool)
	for _, e := range owed {
		if !c.owed.isSettled(e) && !c.owed.flies(e) {
			before[e] = true
		}
	}
	if len(before) == 0 {
		return nil
	}
	for e, err := range c.entries(ctx, t, tree.Edge{}) {
		if err != nil {
			return err
		}
		if before[e] {
			c.owed.drop(e)
		}
	}
	return c.owed.sweep()
}

// find finds the tip as the sinks show it: the last batch of an unbroken row that one
// of the keys signed. Every sink has to answer, since a rollback of one can only be
// seen in another.
func (c *commit) find(ctx context.Context) (*tip, numbers, error) {
	keys, err := newKeyring(c.Keys, nil)
	if err != nil {
		return nil, nil, err
	}
	have, err := c.survey(ctx, 0, true)
	if err != nil {
		return nil, nil, err
	}
	row := int64(0)
	for slices.ContainsFunc(have, func(of map[int64]bool) bool { return of[row] }) {
		row++
	}
	t := &tip{head: tree.Head{Origin: c.Origin}, last: -1, keys: keys}
	var strange *tree.Batch // of another ledger
	for n := row - 1; n >= 0 && t.last < 0; n-- {
		b, s, err := c.signed(ctx, have, n, keys)
		switch {
		case err != nil:
			return nil, nil, err
		case b != nil && s.Keys == nil:
			strange = b
		case b != nil:
			t.head, t.last = b.After(), n
			keys.signed(s.Keys)
		}
	}
	if t.last < 0 && strange != nil {
		return nil, nil, c.strange(strange)
	}
	if t.last < row-1 {
		if err := c.strangeKeys(ctx, keys); err != nil {
			return nil, nil, err
		}
	}
	return t, have, nil
}

// announcements looks whether the ledger announces this replica's next key, if it has
// one and that has not signed yet.
func (c *commit) announcements(ctx context.Context, t *tip) error {
	if _, open := t.keys.next(time.Now(), c.Overlap, c.Tool); !open {
		return nil
	}
	for e, err := range c.entries(ctx, t, tree.Edge{}) {
		if err == nil && e.Kind() == tree.NextKey {
			err = c.learn(ctx, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// signed returns batch n from whichever sink has one that is signed; without
// signatures one of another ledger; or nil.
func (c *commit) signed(ctx context.Context, have numbers, n int64, keys *keyring) (strange *tree.Batch, s tree.Signed, err error) {
	for i, t := range c.Sinks {
		if !have[i][n] {
			continue
		}
		raw, _, err := c.read(ctx, t, tree.BatchKey(n))
		if err != nil {
			return nil, s, err
		}
		b, err := tree.Unverified(raw)
		if err != nil || b.N != n { // not a batch, or a copy of another one
			continue
		}
		if s, err = tree.OpenNote(raw, keys.verifiers()); err != nil {
			strange, s = &b, tree.Signed{}
			continue
		}
		if b.Origin != c.Origin {
			return nil, s, c.found(Forked, t, tree.BatchKey(n), "it is one of %.100q", b.Origin).refusal()
		}
		return &b, s, nil
	}
	return strange, tree.Signed{}, nil
}

// holes refills the first sink if it lacks batches before the tip that a further one
// has.
func (c *commit) holes(ctx context.Context, have numbers) error {
	for n := range c.tip.head.Batches {
		if !have[0][n] && slices.ContainsFunc(have[1:], func(of map[int64]bool) bool { return of[n] }) {
			c.found(RolledBack, c.Sinks[0], tree.BatchKey(n), "a further sink has it")
			return c.refill(ctx)
		}
	}
	return nil
}

// strange is the error for sinks that hold the ledger of somebody else.
func (c *commit) strange(b *tree.Batch) error {
	return fault.New(fault.Conflict, "sink %s holds a ledger of the origin %.100q that no key of key_file signed", c.Sinks[0].Name, b.Origin).
		WithHint("use its key, or other sinks or prefixes for a ledger of its own")
}

// strangeKeys returns an error if the sinks announce a key that this replica does
// not have. What that key signed would count as void here.
func (c *commit) strangeKeys(ctx context.Context, keys *keyring) error {
	dir := tree.Dir + string(tree.NextKey) + "/"
	for _, t := range c.Sinks {
		for e, err := range t.List(ctx, dir, "") {
			if err != nil {
				return fmt.Errorf("listing the keys of the ledger in sink %s: %w", t.Name, err)
			}
			raw, _, err := c.read(ctx, t, e.Key)
			if err != nil {
				return err
			}
			k, err := evidence.DecodeNextKey(raw, e.Key)
			if err != nil {
				continue
			}
			if v, err := note.NewVerifier(k.Key); err == nil && keys.find(v.KeyHash()) == nil {
				return fault.New(fault.Credentials, "%s in sink %s announces the key %.200s, which key_file does not hold, and the last batches are not signed with its own", e.Key, t.Name, k.Key).
					WithHint("give key_file the key that signs the ledger now; if nobody announced that one, move the record away")
			}
		}
	}
	return nil
}

// restore finds what is needed to go on with the tiles: which are there, and the
// entries after them.
func (c *commit) restore(ctx context.Context, t *tip) error {
	first := c.Sinks[0]
	full := t.head.Edge.Size / tree.TileWidth
	for ; full > 0; full-- {
		if _, ok, err := c.read(ctx, first, tree.LastTile(full)); err != nil {
			return err
		} else if ok {
			break
		}
	}
	tiler, err := c.rows(ctx, full)
	if err != nil {
		return err
	}
	if t.tail, err = c.tailOf(ctx, t, full*tree.TileWidth); err != nil {
		return err
	}
	if root := tiler.Edge().Add(t.tail).Root(); root != t.head.Edge.Root() { // a tile is not what it was
		c.found(Altered, first, tree.LastTile(full), "the tiles up to this one do not give the root of the batches")
		tiler = tree.Tiler{}
		if t.tail, err = c.tailOf(ctx, t, 0); err != nil {
			return err
		}
	}
	t.tiler = tiler
	return nil
}

// rows returns the tiler that goes on after that many full tiles.
func (c *commit) rows(ctx context.Context, full int64) (tree.Tiler, error) {
	tiler := tree.Tiler{Full: full}
	for _, key := range tree.Unfilled(full) {
		var row []tlog.Hash
		if key != "" {
			raw, _, err := c.read(ctx, c.Sinks[0], key)
			if err != nil {
				return tiler, err
			}
			row, _ = tree.ParseHashes(raw) // what is wrong with it shows in the root
		}
		tiler.Rows = append(tiler.Rows, row)
	}
	return tiler, nil
}

// tailOf returns the entries from an index on. It goes back from the last batch:
// each begins with the tree that the one before it ends with.
func (c *commit) tailOf(ctx context.Context, t *tip, from int64) (tail []tree.Entry, err error) {
	var parts [][]tree.Entry
	edge := t.head.Edge
	for n := t.last; edge.Size > from; n-- {
		b, _, err := c.linked(ctx, n, edge)
		if err != nil {
			return nil, err
		}
		if b == nil {
			continue // void
		}
		parts, edge = append(parts, b.Entries), b.Before
	}
	for _, p := range slices.Backward(parts) {
		tail = append(tail, p...)
	}
	return tail[max(0, from-edge.Size):], nil
}

// linked returns the batch n that comes to an edge, and its bytes, from whichever
// sink has it. If what they have does not, b is nil: the number is void.
func (c *commit) linked(ctx context.Context, n int64, edge tree.Edge) (b *tree.Batch, raw []byte, err error) {
	want := tree.Checkpoint{Origin: c.Origin, Size: edge.Size, Root: edge.Root()}
	for _, t := range c.Sinks {
		if n < 0 {
			break
		}
		got, ok, err := c.read(ctx, t, tree.BatchKey(n))
		if err != nil {
			return nil, nil, err
		}
		if b, err := tree.Unverified(got); ok && err == nil && b.N == n && b.After().Checkpoint() == want {
			return &b, got, nil
		}
		if ok && raw == nil {
			raw = got
		}
	}
	if raw == nil {
		return nil, nil, c.found(RolledBack, c.Sinks[0], tree.BatchKey(max(n, 0)), "no sink has it, and batches after it are there").refusal()
	}
	return nil, raw, nil
}
