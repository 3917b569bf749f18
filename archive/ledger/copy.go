package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// tile puts the tiles that are full into the first sink.
func (c *commit) tile(ctx context.Context) error {
	t := c.tip
	for len(t.tail) >= tree.TileWidth {
		next := t.tiler.Clone()
		for _, tile := range next.Fill(t.tail[:tree.TileWidth]) {
			switch err := c.store(ctx, tile.Key, tile.Data); {
			case fault.Of(err) == fault.Conflict: // tiles are derived: the ledger goes on
				c.found(Altered, c.Sinks[0], tile.Key, "it is not the tile that the batches give")
			case err != nil:
				return err
			}
			c.fresh = append(c.fresh, tile.Key)
		}
		t.tiler, t.tail = next, slices.Clone(t.tail[tree.TileWidth:])
	}
	return nil
}

// copyAll brings each further sink what it lacks. One that does not take it is
// compared again at the next commit.
func (c *commit) copyAll(ctx context.Context) {
	for _, t := range c.Sinks[1:] {
		keys, err := c.fresh, error(nil)
		if !c.compared[t.Name] {
			keys, err = c.lacking(ctx, t)
		}
		for _, key := range keys {
			if err == nil {
				err = c.copy(ctx, t, key)
			}
		}
		if c.compared[t.Name] = err == nil; err != nil {
			c.Logger.WarnContext(ctx, "ledger not copied to a further sink", "sink", t.Name, "reason", fault.Of(err), "err", err)
		}
	}
}

// lacking returns the keys that a further sink lacks and the first has, in the order
// in which they are to be written.
func (c *commit) lacking(ctx context.Context, t Target) (keys []string, err error) {
	there := make(map[string]bool)
	for e, err := range t.List(ctx, tree.Dir, "") {
		if err != nil {
			return nil, fmt.Errorf("listing the ledger in sink %s: %w", t.Name, err)
		}
		there[e.Key] = true
	}
	for e, err := range c.Sinks[0].List(ctx, tree.Dir, "") {
		if err != nil {
			return nil, fmt.Errorf("listing the ledger in sink %s: %w", c.Sinks[0].Name, err)
		}
		if _, n := rank(e.Key); !there[e.Key] && n < c.tip.head.Batches { // not what was planted ahead
			keys = append(keys, e.Key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		ra, na := rank(a)
		rb, nb := rank(b)
		return cmp.Or(ra-rb, cmp.Compare(na, nb), cmp.Compare(a, b))
	})
	return keys, nil
}

// rank orders keys as they come into being: records, then batches with their
// checkpoints by number, then what is derived.
func rank(key string) (rank int, n int64) {
	for _, dir := range []string{tree.BatchDir, tree.CheckpointDir} {
		if n, ok := tree.ParseKey(dir, key); ok {
			return 1, n
		}
	}
	if strings.HasSuffix(key, ".json") {
		return 0, 0
	}
	return 2, 0
}

// tooLarge stands in a copy for what is void and larger than a batch can be.
var tooLarge = []byte("packseal did not copy what is here: it is no batch, and larger than one can be\n")

// copy copies an object from the first sink to a further one.
func (c *commit) copy(ctx context.Context, t Target, key string) error {
	raw, ok, err := c.read(ctx, c.Sinks[0], key)
	if err != nil || !ok {
		return err
	}
	if len(raw) > tree.MaxNote {
		raw = tooLarge
	}
	err = t.Put(ctx, key, storable(key, raw))
	if fault.Of(err) == fault.Conflict {
		c.found(Altered, t, key, "it holds other bytes than sink %s", c.Sinks[0].Name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("copying %s to sink %s: %w", key, t.Name, err)
	}
	return nil
}
