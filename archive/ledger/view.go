package ledger

import (
	"context"
	"iter"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// View is a ledger as its sinks show it, checked from its signed tip back to its
// first batch. It needs no signing key, and writes nothing. Make one with [Look].
type View struct {
	c     *commit
	links map[int64]link
}

// Look finds the tip of a ledger and checks that all batches lead to it. Of the
// options it needs Origin, Keys, Sinks and Logger; see [VerifierKeys]. With Dir, the
// state of a replica is held against it: what that has seen has to be there. Every sink
// has to answer.
//
// The error is fault.NotFound if the sinks hold no ledger, and fault.Conflict or
// fault.Damaged if they hold one that is not whole. Beside an error the view has its
// [View.Problems], and nothing else.
func Look(ctx context.Context, o Options) (*View, error) {
	if o.Origin == "" || len(o.Sinks) == 0 || len(o.Keys.pairs) == 0 || o.Logger == nil {
		return nil, fault.New(fault.Internal, "ledger: Origin, Keys, Sinks and Logger are required")
	}
	v := &View{c: &commit{Ledger: &Ledger{Options: o}, problems: make(map[Problem]bool)}}
	return v, v.look(ctx)
}

func (v *View) look(ctx context.Context) error {
	var seen *tip
	var err error
	if v.c.Dir != "" {
		if seen, err = v.c.load(); err != nil { // before the sinks are: they may go on
			return err
		}
	}
	t, have, err := v.c.find(ctx)
	if err != nil {
		return err
	}
	v.c.tip = t
	if err := v.ahead(ctx, have); err != nil {
		return err
	}
	if seen != nil && seen.last > t.last {
		v.c.found(RolledBack, v.c.Sinks[0], tree.BatchKey(seen.last), "this machine has seen it there")
	}
	if t.last < 0 {
		return fault.New(fault.NotFound, "the sinks hold no ledger")
	}
	if v.links, err = v.c.chain(ctx, 0); err == nil && seen != nil && seen.last >= 0 && seen.last <= t.last {
		err = v.follows(ctx, seen)
	}
	return err
}

// follows looks whether the ledger is one that goes on from what was seen before.
func (v *View) follows(ctx context.Context, seen *tip) error {
	b, _, err := v.at(ctx, seen.last)
	if err != nil {
		return err
	}
	if is := b.After().Checkpoint(); v.links[seen.last].void || is != seen.head.Checkpoint() {
		return v.c.found(Forked, v.c.Sinks[0], tree.BatchKey(seen.last), "this machine has seen a batch there that comes to %s", seen.head.Checkpoint()).refusal()
	}
	return nil
}

// Problems returns what is wrong with the ledger, as far as it was looked at.
func (v *View) Problems() []Problem { return v.c.sorted() }

// ahead makes sure that no signed batch lies beyond the tip: one before it was removed
// then. What was appended since the sinks were listed is none.
func (v *View) ahead(ctx context.Context, have numbers) error {
	for _, t := range v.c.Sinks {
		raw, ok, err := read(ctx, t, tree.BatchKey(v.c.tip.head.Batches))
		if err != nil {
			return err
		}
		if _, _, err := v.c.tip.head.Open(raw, v.c.tip.keys.verifiers()); ok && err == nil {
			return nil
		}
	}
	return v.c.ahead(ctx, have)
}

// VerifierKeys returns keys that sign nothing, and the origin of their log, from a
// verifier key as auditors get it.
func VerifierKeys(key string) (keys Keys, origin string, err error) {
	if strings.HasPrefix(strings.TrimSpace(key), "PRIVATE+KEY+") {
		return keys, "", fault.New(fault.Request, "the key is a signing key, which nobody but packseal should have").
			WithHint("packseal ledger init printed the verifier key: <origin>+<8 hex digits>+<base64>")
	}
	v, err := note.NewVerifier(strings.TrimSpace(key))
	if err != nil {
		return keys, "", fault.New(fault.Request, "%.200q is not the verifier key of a ledger", key).
			WithHint("packseal ledger init printed it: <origin>+<8 hex digits>+<base64>")
	}
	return Keys{pairs: []pair{{verifier: v, text: strings.TrimSpace(key)}}}, v.Name(), nil
}

// Checkpoint returns that of the tip.
func (v *View) Checkpoint() tree.Checkpoint { return v.c.tip.head.Checkpoint() }

// Latest returns the checkpoint of the tip, as [Ledger.Latest] does.
func (v *View) Latest(ctx context.Context) (Latest, error) {
	c, err := v.c.signedCheckpoint(ctx, v.c.tip.last, v.c.tip.keys.verifiers())
	if err == nil && c.Checkpoint != v.Checkpoint() {
		err = fault.New(fault.Damaged, "%s is not the checkpoint that the ledger's batches give", tree.CheckpointKey(c.N))
	}
	return c, err
}

// Entries yields all entries up to the tip, in order.
func (v *View) Entries(ctx context.Context) iter.Seq2[tree.Entry, error] {
	return func(yield func(tree.Entry, error) bool) {
		for n := range v.c.tip.last + 1 {
			b, _, err := v.at(ctx, n)
			if err != nil {
				yield(tree.Entry{}, err)
				return
			}
			for _, e := range b.Entries {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// ReadRecord is [Ledger.ReadRecord].
func (v *View) ReadRecord(ctx context.Context, e tree.Entry) ([]byte, error) {
	return v.c.ReadRecord(ctx, e)
}

// at returns the batch at a number and the bytes of its object. A void number's batch
// has no entries.
func (v *View) at(ctx context.Context, n int64) (b tree.Batch, raw []byte, err error) {
	l := v.links[n]
	if raw, err = v.c.linkAt(ctx, n, l); err == nil && !l.void {
		b, err = tree.Unverified(raw)
	}
	return b, raw, err
}
