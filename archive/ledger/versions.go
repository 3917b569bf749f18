package ledger

import (
	"context"
	"errors"
	"fmt"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// maxVersions bounds how many versions of an object are read.
const maxVersions = 100

// deleted returns an error if the first sink keeps that batch n was deleted, unless it
// gives away all that was there, and no key of the ledger signed it: whoever can write and
// delete there could keep the ledger from going on.
func (c *commit) deleted(ctx context.Context, n int64) error {
	key, first := tree.BatchKey(n), c.Sinks[0]
	deletions, err := sink.Deletions(ctx, first.Sink, key)
	if err != nil {
		return fmt.Errorf("asking sink %s what was deleted: %w", first.Name, err)
	}
	for _, d := range deletions {
		if d.Key != key {
			continue
		}
		signed, read, err := c.versions(ctx, n)
		if err != nil {
			return err
		}
		if signed != "" || read == 0 || read >= maxVersions {
			return c.found(RolledBack, first, key, "%s", d).refusal()
		}
		c.found(Void, first, key, "%s; no key of the ledger signed it for this place", d)
	}
	return nil
}

// overwritten returns an error if the first sink keeps, of a void number, an older version
// that a key of the ledger signed.
func (c *commit) overwritten(ctx context.Context, n int64) error {
	signed, _, err := c.versions(ctx, n)
	if err == nil && signed != "" {
		err = c.found(RolledBack, c.Sinks[0], tree.BatchKey(n), "it was replaced; its version %.64q is the batch that was there", signed).refusal()
	}
	return err
}

// versions reads the versions of batch n that the first sink keeps, and returns the first
// that a key of the ledger signed for that place; "" = none is. read is how many were read: 0
// if there is one that can't be.
func (c *commit) versions(ctx context.Context, n int64) (signed string, read int, err error) {
	key, first := tree.BatchKey(n), c.Sinks[0]
	all, err := sink.Versions(ctx, first.Sink, key, maxVersions)
	if err != nil {
		return "", 0, fmt.Errorf("asking sink %s for versions of %s: %w", first.Name, key, err)
	}
	withheld := false
	for _, version := range all {
		var raw []byte
		r, err := sink.OpenVersion(ctx, first.Sink, key, version)
		if err == nil {
			raw, err = readNote(r)
		}
		switch fault.Of(err) {
		case fault.SinkDenied, fault.NotRestored, fault.NotFound:
			withheld = true
			continue
		}
		if err != nil {
			return "", 0, fmt.Errorf("reading a version of %s from sink %s: %w", key, first.Name, err)
		}
		if _, _, err := tree.OpenBatch(raw, n, c.tip.keys.verifiers()); !errors.Is(err, tree.ErrUnsigned) {
			return version, len(all), nil
		}
	}
	if withheld {
		return "", 0, nil
	}
	return "", len(all), nil
}
