package ledger

import (
	"context"
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// Stored yields the entries of the ledger as it lies in sinks, without a state and
// without a key that signs: up to the last batch that one of these verifier keys
// signed, or without any up to the last one. What follows from that batch is checked,
// as by [Ledger.Entries]; it is not looked whether a sink was rolled back, as [Look]
// does. A sink without a ledger has no entries.
func Stored(ctx context.Context, sinks []Target, verifiers []string) iter.Seq2[tree.Entry, error] {
	return func(yield func(tree.Entry, error) bool) {
		l := &Ledger{Options: Options{Sinks: sinks}}
		t, err := (&commit{Ledger: l, problems: make(map[Problem]bool)}).stand(ctx, verifiers)
		if err != nil {
			yield(tree.Entry{}, err)
		} else if t != nil {
			l.entries(ctx, t, tree.Edge{})(yield)
		}
	}
}

// stand returns the tip that the sinks have; nil = they have no batch.
func (c *commit) stand(ctx context.Context, verifiers []string) (*tip, error) {
	known, err := verifierList(verifiers)
	if err != nil {
		return nil, err
	}
	last := int64(-1)
	for _, t := range c.Sinks {
		for e, err := range t.List(ctx, tree.BatchDir, "") {
			if err != nil {
				return nil, fmt.Errorf("listing the ledger in sink %s: %w", t.Name, err)
			}
			if n, ok := tree.ParseKey(tree.BatchDir, e.Key); ok {
				last = max(last, n)
			}
		}
	}
	for n := last; n >= 0; n-- {
		b, err := c.signedBy(ctx, n, known)
		if err != nil {
			return nil, err
		}
		if b == nil {
			continue // void, or planted
		}
		c.Origin = b.Origin
		t := &tip{head: b.After(), last: n}
		if t.tiler.Full, err = c.full(ctx, t.head.Edge.Size/tree.TileWidth); err == nil {
			t.tail, err = c.tailOf(ctx, t, t.tiler.Full*tree.TileWidth)
		}
		return t, err
	}
	return nil, nil
}

// signedBy returns batch n, from whichever sink has one that a known key signed; nil =
// none has. Without known keys any will do.
func (c *commit) signedBy(ctx context.Context, n int64, known note.Verifiers) (*tree.Batch, error) {
	for _, t := range c.Sinks {
		raw, ok, err := read(ctx, t, tree.BatchKey(n))
		if err != nil {
			return nil, err
		}
		if known != nil && ok {
			_, err := tree.OpenNote(raw, known)
			ok = err == nil
		}
		if b, err := tree.Unverified(raw); ok && err == nil && b.N == n {
			return &b, nil
		}
	}
	return nil, nil
}

// full returns how many tiles of entries are there, of so many: the last one may not
// be written yet.
func (c *commit) full(ctx context.Context, most int64) (int64, error) {
	if most == 0 {
		return 0, nil
	}
	_, ok, err := read(ctx, c.Sinks[0], tree.EntriesKey(most-1, tree.TileWidth))
	if !ok {
		most--
	}
	return most, err
}

// verifierList reads verifier keys; nil = there are none.
func verifierList(texts []string) (note.Verifiers, error) {
	var all []note.Verifier
	for _, text := range texts {
		v, err := note.NewVerifier(text)
		if err != nil {
			return nil, fault.New(fault.Request, "%.100q is not a verifier key: %w", text, err)
		}
		all = append(all, v)
	}
	if all == nil {
		return nil, nil
	}
	return note.VerifierList(all...), nil
}
