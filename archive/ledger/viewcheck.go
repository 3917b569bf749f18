package ledger

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"packseal.example/archive/ledger/tree"
	"packseal.example/sink"
)

// Check reads what every sink has of each batch and checkpoint, and adds to
// [View.Problems] what is not as the tip says, void numbers that the ledger does not
// tell of, and objects of the ledger that were deleted and of which a sink keeps that. That a sink lacks a copy is no problem as long as another has it: the next
// commit makes it good. An error is of a sink that can't be read.
func (v *View) Check(ctx context.Context) error {
	x := &viewCheck{View: v}
	x.all = sync.OnceValues(func() (map[tree.Checkpoint]bool, error) { return v.checkpoints(ctx) })
	for _, t := range v.c.Sinks {
		deletions, err := sink.Deletions(ctx, t.Sink, tree.Dir)
		if err != nil {
			return fmt.Errorf("asking sink %s what was deleted: %w", t.Name, err)
		}
		for _, d := range deletions {
			x.found(RolledBack, t, d.Key, "%s", d)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxReads)
	for n := range v.c.tip.last + 1 {
		g.Go(func() error { return x.number(ctx, n) })
	}
	return g.Wait()
}

// viewCheck is a run of Check.
type viewCheck struct {
	*View
	mu  sync.Mutex
	all func() (map[tree.Checkpoint]bool, error) // checkpoints that the batches come to
}

func (x *viewCheck) found(k Kind, t Target, key, format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.c.found(k, t, key, format, args...)
}

// number checks what the sinks have at a number.
func (x *viewCheck) number(ctx context.Context, n int64) error {
	l := x.links[n]
	var batch []byte
	for _, t := range x.c.Sinks {
		raw, ok, err := read(ctx, t, tree.BatchKey(n))
		if err != nil {
			return err
		}
		if ok && sha256.Sum256(raw) == l.sum {
			batch = raw
		} else if ok && !l.void {
			x.found(Altered, t, tree.BatchKey(n), "it is not the batch that the tip follows from")
		}
	}
	if l.void {
		return x.told(ctx, n)
	}
	b, err := tree.Unverified(batch)
	if err != nil {
		return nil //nolint:nilerr // it changed since, which the next one sees
	}
	return x.checkpoints(ctx, n, b.After())
}

// checkpoints checks what the sinks have as the checkpoint after batch n.
func (x *viewCheck) checkpoints(ctx context.Context, n int64, head tree.Head) error {
	text := head.Checkpoint().Text() + "\n— "
	for _, t := range x.c.Sinks {
		raw, ok, err := read(ctx, t, tree.CheckpointKey(n))
		if err != nil {
			return err
		}
		if !ok || len(raw) >= len(text) && string(raw[:len(text)]) == text {
			continue
		}
		got, _, err := tree.OpenCheckpoint(raw, x.c.tip.keys.verifiers())
		copied := err == nil && got.Size < head.Edge.Size
		if err == nil && got.Size > head.Edge.Size {
			all, err := x.all()
			if err != nil {
				return err
			}
			copied = all[got]
		}
		if err == nil && !copied {
			x.found(Forked, t, tree.CheckpointKey(n), "it says %s, and the batches give %s", got, head.Checkpoint())
		} else {
			x.found(Altered, t, tree.CheckpointKey(n), "no key of the ledger signed it for this place")
		}
	}
	return nil
}

// checkpoints returns all that the batches come to.
func (v *View) checkpoints(ctx context.Context) (map[tree.Checkpoint]bool, error) {
	all := make(map[tree.Checkpoint]bool)
	for n := range v.c.tip.last + 1 {
		b, _, err := v.at(ctx, n)
		if err != nil {
			return nil, err
		}
		if !v.links[n].void {
			all[b.After().Checkpoint()] = true
		}
	}
	return all, nil
}

// told looks whether the ledger has an entry of a void number. The next batch has it, or
// one soon after.
func (x *viewCheck) told(ctx context.Context, n int64) error {
	for m := n + 1; m <= x.c.tip.last; m++ {
		b, _, err := x.at(ctx, m)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(b.Entries, func(e tree.Entry) bool { return e.Key == tree.VoidKey(n) }) {
			return nil
		}
	}
	x.found(Void, x.c.Sinks[0], tree.BatchKey(n), "no key of the ledger signed it for this place, and the ledger does not tell of it")
	return nil
}
