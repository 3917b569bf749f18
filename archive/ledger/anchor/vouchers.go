package anchor

import (
	"context"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/stamp"
	"packseal.example/archive/ledger/stamp/tsa"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness"
	"packseal.example/archive/ledger/witness/cosignature"
)

// maxObject bounds what is stored beside a checkpoint, in bytes.
const maxObject = stamp.MaxSize

// object is something to be stored.
type object struct {
	key string
	raw []byte
}

// vouched is what an authority or witness says.
type vouched struct {
	at       time.Time
	accuracy time.Duration
	offset   time.Duration
	asked    bool            // else it was read, and there is no offset
	planted  *ledger.Problem // what somebody else put in its place; nil = nothing
}

// voucher is an authority or a witness.
type voucher interface {
	name() string
	witness() bool
	dir() string
	number(key string) (n int64, ok bool) // of its own keys
	key(n int64) string
	// ask returns the objects to be stored for a checkpoint, checked, its own first.
	ask(ctx context.Context, c ledger.Latest) ([]object, vouched, error)
	check(raw []byte, c ledger.Latest) (vouched, error)
}

// authority is a voucher for times.
type authority struct{ *tsa.Client }

func (a authority) name() string       { return a.Name }
func (authority) witness() bool        { return false }
func (authority) dir() string          { return tree.StampDir }
func (a authority) key(n int64) string { return tree.StampKey(n, a.Name) }

func (a authority) number(key string) (int64, bool) {
	n, name, ok := tree.ParseStampKey(key)
	return n, ok && name == a.Name
}

func (a authority) ask(ctx context.Context, c ledger.Latest) ([]object, vouched, error) {
	s, err := a.Stamp(ctx, c.Raw)
	if err != nil {
		return nil, vouched{}, err
	}
	return []object{{a.key(c.N), s.Raw}}, vouched{at: s.Time, accuracy: s.Accuracy, offset: s.Offset, asked: true}, nil
}

func (a authority) check(raw []byte, c ledger.Latest) (vouched, error) {
	t, err := a.Verify(raw, c.Raw)
	return vouched{at: t.Time}, err
}

// witnessed is a voucher for growth.
type witnessed struct {
	*witness.Client
	ledger *ledger.Ledger
}

func (w witnessed) name() string       { return w.Name }
func (witnessed) witness() bool        { return true }
func (witnessed) dir() string          { return tree.CosignatureDir }
func (w witnessed) key(n int64) string { return tree.CosignatureKey(n, w.Key.KeyHash()) }

func (w witnessed) number(key string) (int64, bool) {
	n, id, ok := tree.ParseCosignatureKey(key)
	return n, ok && id == w.Key.KeyHash()
}

func (w witnessed) ask(ctx context.Context, c ledger.Latest) ([]object, vouched, error) {
	lines, err := w.Cosign(ctx, c.Raw, func(ctx context.Context, old int64) (tlog.TreeProof, error) {
		return w.ledger.Prove(ctx, old, c.Checkpoint)
	})
	if err != nil {
		return nil, vouched{}, err
	}
	var objects []object
	for _, l := range lines {
		objects = append(objects, object{tree.CosignatureKey(c.N, l.ID), []byte(l.String())})
	}
	return objects, vouched{at: lines[0].Time}, nil
}

func (w witnessed) check(raw []byte, c ledger.Latest) (vouched, error) {
	l, err := cosignature.Parse(string(raw))
	if err == nil {
		err = l.Verify(c.Checkpoint.Text(), w.Key)
	}
	return vouched{at: l.Time}, err
}
