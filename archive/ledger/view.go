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
// first batch. It has no state and needs no signing key, and writes to no sink. Make
// one with [Look].
type View struct {
	c     *commit
	links map[int64]link
}

// Look finds the tip of a ledger and checks that all batches lead to it. Of the
// options it needs Origin, Keys, Sinks and Logger; see [VerifierKeys]. Every sink has
// to answer. It is fault.NotFound if they hold no ledger, and fault.Conflict or
// fault.Damaged if they hold one that is not whole.
func Look(ctx context.Context, o Options) (*View, error) {
	if o.Origin == "" || len(o.Sinks) == 0 || len(o.Keys.pairs) == 0 || o.Logger == nil {
		return nil, fault.New(fault.Internal, "ledger: Origin, Keys, Sinks and Logger are required")
	}
	v := &View{c: &commit{Ledger: &Ledger{Options: o}, problems: make(map[Problem]bool)}}
	t, have, err := v.c.find(ctx)
	if err != nil {
		return nil, err
	}
	v.c.tip = t
	if err := v.ahead(ctx, have); err != nil {
		return nil, err
	}
	if t.last < 0 {
		return nil, fault.New(fault.NotFound, "the sinks hold no ledger")
	}
	v.links, err = v.c.chain(ctx, 0)
	return v, err
}

// ahead makes sure that no signed batch lies beyond the tip: one before it was removed
// then. What was appended since the sinks were listed is none.
func (v *View) ahead(ctx context.Context, have numbers) error {
	for _, t := range v.c.Sinks {
		if _, ok, err := read(ctx, t, tree.BatchKey(v.c.tip.head.Batches)); err != nil || ok {
			return err
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

// at returns the batch at a number and the bytes of its object. A void number's batch
// has no entries.
func (v *View) at(ctx context.Context, n int64) (b tree.Batch, raw []byte, err error) {
	l := v.links[n]
	if raw, err = v.c.linkAt(ctx, n, l); err == nil && !l.void {
		b, err = tree.Unverified(raw)
	}
	return b, raw, err
}
