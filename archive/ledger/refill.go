package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"path"
	"slices"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// refill brings a first sink that was rolled back what it lacks, from the others:
// the batches up to the last one that this replica knows, with their checkpoints, and
// what was added to them. It believes only batches that the tip follows from. The
// tiles are made anew.
func (c *commit) refill(ctx context.Context) error {
	have, err := c.survey(ctx, 0, false)
	if err != nil {
		return err
	}
	low := int64(0) // the first that it lacks
	for have[0][low] {
		low++
	}
	links, err := c.chain(ctx, low)
	if err != nil {
		return err
	}
	for _, n := range slices.Sorted(maps.Keys(links)) {
		if err := c.refillBatch(ctx, n, links[n]); err != nil {
			return err
		}
	}
	for _, t := range c.Sinks[1:] {
		if err := c.refillRest(ctx, t); err != nil {
			return err
		}
	}
	clear(c.compared)
	return c.restore(ctx, c.tip)
}

// link is what the chain of batches has at a number.
type link struct {
	sum  [sha256.Size]byte // of the object
	void bool              // it is no batch
}

// chain goes back from the last batch to the one before low, and returns the links
// from low on.
func (c *commit) chain(ctx context.Context, low int64) (map[int64]link, error) {
	links := make(map[int64]link)
	edge := c.tip.head.Edge
	for n := c.tip.last; n >= low || edge.Size > 0; n-- {
		b, raw, err := c.linked(ctx, n, edge)
		if err != nil {
			return nil, err
		}
		if n >= low {
			links[n] = link{sha256.Sum256(raw), b == nil}
		}
		if b == nil {
			continue
		}
		if edge = b.Before; n < low {
			break
		}
	}
	return links, nil
}

// refillBatch brings the first sink what is at number n, after its checkpoint: as long
// as the batch is missing, it is tried again.
func (c *commit) refillBatch(ctx context.Context, n int64, l link) error {
	raw, err := c.linkAt(ctx, n, l)
	if err != nil {
		return err
	}
	if !l.void {
		b, err := tree.Unverified(raw)
		if err == nil {
			err = c.refillCheckpoint(ctx, n, raw, b.After())
		}
		if err != nil {
			return err
		}
	}
	return c.store(ctx, tree.BatchKey(n), raw)
}

// linkAt returns the bytes of a link as copies have them, from whichever sink has them.
func (c *commit) linkAt(ctx context.Context, n int64, l link) ([]byte, error) {
	for _, t := range c.Sinks {
		raw, _, err := read(ctx, t, tree.BatchKey(n))
		if err != nil {
			return nil, err
		}
		if sha256.Sum256(raw) != l.sum {
			continue
		}
		if len(raw) > tree.MaxNote {
			raw = tooLarge
		}
		return raw, nil
	}
	return nil, fault.New(fault.Damaged, "%s changes while it is read", tree.BatchKey(n))
}

// refillCheckpoint brings the first sink the checkpoint after batch n. One that
// another key signed than those that are known is that of the batch, by its text.
func (c *commit) refillCheckpoint(ctx context.Context, n int64, batch []byte, head tree.Head) error {
	key, text := tree.CheckpointKey(n), []byte(head.Checkpoint().Text()+"\n— ")
	for _, t := range c.Sinks {
		raw, ok, err := c.read(ctx, t, key)
		switch {
		case err != nil:
			return err
		case ok && bytes.HasPrefix(raw, text):
			return c.store(ctx, key, raw)
		}
	}
	s, err := tree.OpenNote(batch, c.tip.keys.verifiers())
	if err != nil {
		return nil //nolint:nilerr // a key that is not used any more: nobody here can sign the checkpoint
	}
	return c.checkpoint(ctx, n, head, s.Keys)
}

// refillRest brings the first sink records of the ledger, and what was added to
// checkpoints, that a further one has.
func (c *commit) refillRest(ctx context.Context, t Target) error {
	for e, err := range t.List(ctx, tree.Dir, "") {
		if err != nil {
			return fmt.Errorf("listing the ledger in sink %s: %w", t.Name, err)
		}
		if numbered(e.Key) {
			continue
		}
		if _, ok, err := c.read(ctx, c.Sinks[0], e.Key); err != nil || ok {
			if err != nil {
				return err
			}
			continue
		}
		raw, _, err := c.read(ctx, t, e.Key)
		if err != nil {
			return err
		}
		if path.Ext(e.Key) == ".json" && !namesItself(e.Key, raw) {
			c.found(Altered, t, e.Key, "its bytes are not those of its name")
			continue
		}
		if err := c.store(ctx, e.Key, raw); err != nil {
			return err
		}
	}
	return nil
}
