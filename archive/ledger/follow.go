package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// numbers are the batches that each sink lists, in the order of the sinks. A sink
// that could not be listed has nil.
type numbers []map[int64]bool

// survey lists the batches from a number on. It is an error if the first sink can't
// be listed, or with all any of them.
func (c *commit) survey(ctx context.Context, from int64, all bool) (numbers, error) {
	have := make(numbers, len(c.Sinks))
	for i, t := range c.Sinks {
		have[i] = make(map[int64]bool)
		for e, err := range ListFrom(ctx, t, tree.BatchDir, from) {
			if err != nil && (all || i == 0) {
				return nil, fmt.Errorf("listing the ledger in sink %s: %w", t.Name, err)
			}
			if err != nil {
				c.Logger.WarnContext(ctx, "ledger not listed in a further sink", "sink", t.Name, "reason", fault.Of(err), "err", err)
				have[i] = nil
				break
			}
			if n, ok := tree.ParseKey(tree.BatchDir, e.Key); ok && n >= from {
				have[i][n] = true
			}
		}
	}
	return have, nil
}

// follow takes up what others have committed, after it has made sure that the first
// sink still has what this replica knows.
func (c *commit) follow(ctx context.Context) error {
	have, err := c.survey(ctx, max(c.tip.last, 0), c.tip.last < 0) // who knows no batch asks every sink
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, have); err != nil {
		return err
	}
	if err := c.readOn(ctx, have); err != nil {
		return err
	}
	return c.ahead(ctx, have)
}

// confirm makes sure that the first sink has the last batch and its checkpoint. It
// refills one that was rolled back.
func (c *commit) confirm(ctx context.Context, have numbers) error {
	first, last := c.Sinks[0], c.tip.last
	if last < 0 {
		return nil
	}
	raw, ok, err := c.read(ctx, first, tree.BatchKey(last))
	if err != nil {
		return err
	}
	if !ok {
		p := c.found(RolledBack, first, tree.BatchKey(last), "this replica has seen it there")
		if err := c.refill(ctx); err != nil {
			return err
		}
		if raw, ok, err = c.read(ctx, first, tree.BatchKey(last)); err != nil || !ok {
			return errors.Join(err, p.refusal())
		}
		have[0][last] = true
	}
	b, err := tree.Unverified(raw)
	if err != nil || b.After().Checkpoint() != c.tip.head.Checkpoint() {
		return c.found(Forked, first, tree.BatchKey(last), "it is not the batch that this replica has seen there").refusal()
	}
	s, err := tree.OpenNote(raw, c.tip.keys.verifiers())
	if err != nil {
		return c.found(Forked, first, tree.BatchKey(last), "it is not signed as it was: %v", err).refusal()
	}
	return c.checkpoint(ctx, last, c.tip.head, s.Keys)
}

// readOn takes up the batches from the next one on, as far as they go.
func (c *commit) readOn(ctx context.Context, have numbers) error {
	for {
		n := c.tip.head.Batches
		raw, ok, err := c.read(ctx, c.Sinks[0], tree.BatchKey(n))
		if err != nil {
			return err
		}
		if !ok {
			if filled, err := c.fill(ctx, have); err != nil || !filled {
				return err
			}
			continue
		}
		b, s, err := c.tip.head.Open(raw, c.tip.keys.verifiers())
		switch {
		case err == nil:
			err = c.took(ctx, b, s)
		case errors.Is(err, tree.ErrUnsigned):
			err = c.void(ctx, raw, have)
		default:
			err = c.found(Forked, c.Sinks[0], tree.BatchKey(n), "%v", err).refusal()
		}
		if err != nil {
			return err
		}
	}
}

// elsewhere returns the next batch, if a further sink has it.
func (c *commit) elsewhere(ctx context.Context, have numbers) (raw []byte, t Target, err error) {
	n := c.tip.head.Batches
	for i, t := range c.Sinks {
		if i == 0 || i >= len(have) || !have[i][n] {
			continue
		}
		raw, ok, err := c.read(ctx, t, tree.BatchKey(n))
		if err != nil {
			return nil, t, err
		}
		if !ok {
			continue
		}
		if _, _, err := c.tip.head.Open(raw, c.tip.keys.verifiers()); err == nil {
			return raw, t, nil
		}
	}
	return nil, Target{}, nil
}

// fill puts the next batch into the first sink, if that lacks it and a further one
// has it, or what made its number void.
func (c *commit) fill(ctx context.Context, have numbers) (bool, error) {
	raw, t, err := c.elsewhere(ctx, have)
	for i := 1; i < len(have) && raw == nil && err == nil; i++ {
		t = c.Sinks[i]
		raw, err = c.wasVoid(ctx, t, have[i])
	}
	if err != nil || raw == nil {
		return false, err
	}
	key := tree.BatchKey(c.tip.head.Batches)
	c.found(RolledBack, c.Sinks[0], key, "sink %s has it", t.Name)
	return true, c.store(ctx, key, raw)
}

// maxRow bounds how many void numbers in a row are looked past in a further sink.
const maxRow = 5000

// wasVoid returns what a sink has under the next number, if the batch that follows
// there goes on from the tip: the number was void when that was signed.
func (c *commit) wasVoid(ctx context.Context, t Target, have map[int64]bool) ([]byte, error) {
	n := c.tip.head.Batches
	if !have[n] {
		return nil, nil
	}
	for m := n + 1; have[m] && m <= n+maxRow; m++ {
		raw, _, err := c.read(ctx, t, tree.BatchKey(m))
		if err != nil {
			return nil, err
		}
		b, _, err := tree.OpenBatch(raw, m, c.tip.keys.verifiers())
		if err != nil {
			continue
		}
		if before := (tree.Head{Origin: b.Origin, Edge: b.Before}).Checkpoint(); before != c.tip.head.Checkpoint() {
			return nil, nil
		}
		raw, ok, err := c.read(ctx, t, tree.BatchKey(n))
		if err != nil || !ok {
			return nil, err
		}
		if len(raw) > tree.MaxNote {
			raw = tooLarge
		}
		return raw, nil
	}
	return nil, nil
}

// The bounds of what strangers can make a commit do: how much of an object is hashed, in
// bytes, and how many void numbers it takes up. The next one goes on.
const (
	maxVoid  = 64 << 20
	maxVoids = 500
)

// void takes up that somebody without a key wrote at the next number. The bytes are
// read again: those of a batch that were damaged on their way must not count.
func (c *commit) void(ctx context.Context, raw []byte, have numbers) error {
	n, first := c.tip.head.Batches, c.Sinks[0]
	if c.voids++; c.voids > maxVoids {
		c.soon()
		return fault.New(fault.Busy, "the commit has passed %d numbers in a row where nobody with a key wrote, and goes on soon", maxVoids).
			WithHint("see in the access log of sink %s who writes to %s", first.Name, tree.BatchDir)
	}
	if b, err := tree.Unverified(raw); err == nil && c.tip.last < 0 {
		return c.strange(&b)
	}
	other, t, err := c.elsewhere(ctx, have)
	if err != nil {
		return err
	}
	if other != nil {
		return c.found(Forked, first, tree.BatchKey(n), "sink %s has the batch, and this one what no key signed for this place", t.Name).refusal()
	}
	e := tree.Entry{Key: tree.VoidKey(n)}
	if e.Sum, err = c.again(ctx, n, raw); err != nil {
		return err
	}
	if err := c.replaced(ctx, n); err != nil {
		return err
	}
	if err := c.overwritten(ctx, n); err != nil {
		return err
	}
	if err := c.owed.add(e); err != nil {
		return err
	}
	c.found(Void, first, tree.BatchKey(n), "no key of the ledger signed it for this place; its number is used up")
	c.tip.head = c.tip.head.Skip()
	c.fresh = append(c.fresh, tree.BatchKey(n))
	return c.save(c.tip)
}

// again returns the SHA-256 of what the first sink has at number n, up to maxVoid. It is an
// error if that is not what was read before.
func (c *commit) again(ctx context.Context, n int64, before []byte) (sum [sha256.Size]byte, err error) {
	key, first := tree.BatchKey(n), c.Sinks[0]
	r, err := first.Open(ctx, key)
	if err != nil {
		return sum, fmt.Errorf("reading %s from sink %s again: %w", key, first.Name, err)
	}
	h := sha256.New()
	_, err = io.Copy(h, io.LimitReader(r, maxVoid))
	if err = errors.Join(err, r.Close()); err != nil {
		return sum, fmt.Errorf("reading %s from sink %s again: %w", key, first.Name, err)
	}
	if h.Sum(sum[:0]); len(before) <= tree.MaxNote && sum != sha256.Sum256(before) {
		return sum, fault.New(fault.Damaged, "%s in sink %s reads differently each time", key, first.Name)
	}
	return sum, nil
}

// replaced returns an error if the first sink has a signed checkpoint of batch n, which no
// key signed: there was another one. A copy of a later checkpoint is not one of batch n.
func (c *commit) replaced(ctx context.Context, n int64) error {
	got, ok, err := c.beyond(ctx, c.Sinks[0], n)
	if err != nil || !ok {
		return err
	}
	later, err := c.comesTo(ctx, c.tip.head.Skip(), got)
	if err != nil || later {
		return err
	}
	return c.found(RolledBack, c.Sinks[0], tree.BatchKey(n), "no key of the ledger signed what is there, and its checkpoint is: %s", got).refusal()
}

// beyond returns the checkpoint at number n, if a key of the ledger signed it for a larger
// tree than the tip's.
func (c *commit) beyond(ctx context.Context, t Target, n int64) (got tree.Checkpoint, ok bool, err error) {
	raw, ok, err := c.read(ctx, t, tree.CheckpointKey(n))
	if err != nil || !ok {
		return got, false, err
	}
	got, _, err = tree.OpenCheckpoint(raw, c.tip.keys.verifiers())
	return got, err == nil && got.Size > c.tip.head.Edge.Size, nil
}

// comesTo reports whether the batches that follow in the first sink come to a checkpoint.
// Anybody can have copied that to the place of an older one.
func (c *commit) comesTo(ctx context.Context, head tree.Head, want tree.Checkpoint) (bool, error) {
	for head.Edge.Size < want.Size {
		raw, ok, err := c.read(ctx, c.Sinks[0], tree.BatchKey(head.Batches))
		if err != nil || !ok {
			return false, err
		}
		b, _, err := head.Open(raw, c.tip.keys.verifiers())
		switch {
		case err == nil:
			head = b.After()
		case errors.Is(err, tree.ErrUnsigned):
			head = head.Skip()
		default:
			return false, nil
		}
	}
	return head.Checkpoint() == want, nil
}

// maxAhead is how many batches beyond a hole are looked at in a sink.
const maxAhead = 16

// ahead looks at batches beyond the next one, which no sink has. If a key of the
// ledger signed one, that was removed, and nothing may take its place; otherwise
// somebody planted them, which moves nothing.
func (c *commit) ahead(ctx context.Context, have numbers) error {
	for i, t := range c.Sinks {
		looked := 0
		for _, n := range slices.Sorted(maps.Keys(have[i])) {
			if n < c.tip.head.Batches {
				continue
			}
			if looked++; looked > maxAhead {
				break
			}
			raw, ok, err := c.read(ctx, t, tree.BatchKey(n))
			if err != nil {
				return err
			}
			if _, _, err := tree.OpenBatch(raw, n, c.tip.keys.verifiers()); ok && !errors.Is(err, tree.ErrUnsigned) {
				return c.found(RolledBack, t, tree.BatchKey(c.tip.head.Batches), "no sink has it, and batch %d is there, signed", n).refusal()
			}
			if !ok {
				continue
			}
			if got, signed, err := c.beyond(ctx, t, n); err != nil {
				return err
			} else if signed {
				return c.found(RolledBack, t, tree.BatchKey(n), "no key of the ledger signed what is there, and its checkpoint is: %s", got).refusal()
			}
			c.found(Void, t, tree.BatchKey(n), "no key of the ledger signed it for this place, and batches have not come so far")
		}
	}
	return nil
}
