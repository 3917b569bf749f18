package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// Copied is what [View.CopyTo] has brought to a sink.
type Copied struct {
	Objects  int
	Bytes    int64
	Problems []Problem // copies that were not what they should be, and what no sink has
}

// viewCopy is a run of CopyTo.
type viewCopy struct {
	*View
	sinks   []Target
	to      Target
	copied  Copied
	records map[string][sha256.Size]byte // that the ledger has entries of
	tiler   tree.Tiler
	tail    []tree.Entry
}

// CopyTo puts all objects of the ledger into a sink: batches, checkpoints and records
// as the tip says that they are, tiles as they follow from the batches, and the time
// stamps and cosignatures of checkpoints as they are: whoever audits the ledger checks
// these. What the sink has is not replaced; if it is something else, that is a problem.
// An error is of a sink that can't be read or written.
func (v *View) CopyTo(ctx context.Context, to Target) (Copied, error) {
	c := &viewCopy{View: v, sinks: v.c.Sinks, to: to, records: make(map[string][sha256.Size]byte)}
	head := tree.Head{Origin: v.c.Origin}
	for n := range v.c.tip.last + 1 {
		b, raw, err := v.at(ctx, n)
		if err == nil {
			err = c.put(ctx, tree.BatchKey(n), raw)
		}
		if err != nil {
			return c.copied, err
		}
		if v.links[n].void {
			head = head.Skip()
			continue
		}
		head = b.After()
		if err := c.checkpointOf(ctx, n, raw, head); err != nil {
			return c.copied, err
		}
		if err := c.add(ctx, b.Entries); err != nil {
			return c.copied, err
		}
	}
	return c.copied, c.rest(ctx)
}

func (c *viewCopy) problem(k Kind, t Target, key, format string, args ...any) {
	c.copied.Problems = append(c.copied.Problems, Problem{k, t.Name, key, fmt.Sprintf(format, args...)})
}

// put puts an object into the sink.
func (c *viewCopy) put(ctx context.Context, key string, raw []byte) error {
	switch err := c.to.Put(ctx, key, storable(key, raw)); {
	case fault.Of(err) == fault.Conflict:
		c.problem(Altered, c.to, key, "it holds other bytes, which stay as they are")
		return nil
	case err != nil:
		return fmt.Errorf("storing %s in sink %s: %w", key, c.to.Name, err)
	}
	c.copied.Objects++
	c.copied.Bytes += int64(len(raw))
	return nil
}

// first puts an object into the sink from the first that has it as good says; others are
// problems. The object may be in none.
func (c *viewCopy) first(ctx context.Context, key string, good func([]byte) bool) (found bool, err error) {
	for _, t := range c.sinks {
		raw, ok, err := read(ctx, t, key)
		switch {
		case err != nil:
			return false, err
		case ok && good(raw):
			return true, c.put(ctx, key, raw)
		case ok:
			c.problem(Altered, t, key, "it is not what the ledger says")
		}
	}
	return false, nil
}

// checkpointOf copies the checkpoint after a batch. If a known key signed the batch, it
// has to have signed this, too; who signed an older one follows from the batches.
func (c *viewCopy) checkpointOf(ctx context.Context, n int64, batch []byte, head tree.Head) error {
	known, text := c.c.tip.keys.verifiers(), []byte(head.Checkpoint().Text()+"\n— ")
	_, unsigned := tree.OpenNote(batch, known)
	found, err := c.first(ctx, tree.CheckpointKey(n), func(raw []byte) bool {
		_, err := tree.OpenNote(raw, known)
		return bytes.HasPrefix(raw, text) && (err == nil || unsigned != nil)
	})
	if err == nil && !found {
		c.problem(RolledBack, c.sinks[len(c.sinks)-1], tree.CheckpointKey(n), "no sink has it as the batches say")
	}
	return err
}

// add adds the entries of a batch, and copies the tiles that become full.
func (c *viewCopy) add(ctx context.Context, entries []tree.Entry) error {
	for _, e := range entries {
		if own(e) && e.Object() == e.Key && e.Kind() != tree.Void {
			c.records[e.Key] = e.Sum
		}
	}
	for c.tail = append(c.tail, entries...); len(c.tail) >= tree.TileWidth; c.tail = slices.Clone(c.tail[tree.TileWidth:]) {
		for _, tile := range c.tiler.Fill(c.tail[:tree.TileWidth]) {
			found, err := c.first(ctx, tile.Key, func(raw []byte) bool { return bytes.Equal(raw, tile.Data) })
			if err == nil && !found { // it is derived
				err = c.put(ctx, tile.Key, tile.Data)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// rest copies records, and what was added to checkpoints.
func (c *viewCopy) rest(ctx context.Context) error {
	keys := make(map[string]bool)
	for key := range c.records {
		keys[key] = true
	}
	for _, t := range c.sinks {
		for e, err := range t.List(ctx, tree.Dir, "") {
			if err != nil {
				return fmt.Errorf("listing the ledger in sink %s: %w", t.Name, err)
			}
			if !numbered(e.Key) {
				keys[e.Key] = true
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		sum, logged := c.records[key]
		found, err := c.first(ctx, key, func(raw []byte) bool {
			if logged {
				return sha256.Sum256(raw) == sum
			}
			return path.Ext(key) != ".json" || namesItself(key, raw)
		})
		if err != nil {
			return err
		}
		if !found && logged {
			c.problem(RolledBack, c.sinks[len(c.sinks)-1], key, "the ledger has an entry of it, and no sink has it so")
		}
	}
	return nil
}

// numbered reports whether a key is one of those that follow from the batches.
func numbered(key string) bool {
	folder, _, _ := strings.Cut(strings.TrimPrefix(key, tree.Dir), "/")
	return folder == "batch" || folder == "checkpoint" || folder == "tile"
}

// namesItself reports whether the bytes of a record are those of its key.
func namesItself(key string, raw []byte) bool {
	sum := sha256.Sum256(raw)
	return strings.HasSuffix(key, hex.EncodeToString(sum[:6])+path.Ext(key))
}
