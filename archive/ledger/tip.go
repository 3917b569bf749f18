package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/atomicfile"
	"packseal.example/internal/fault"
)

// tip is how far a replica has seen the ledger.
type tip struct {
	head tree.Head
	last int64 // the last batch that is not void; -1 = none
	keys *keyring

	tiler tree.Tiler
	tail  []tree.Entry // those after the tiles
}

// savedTip is the tip as it lies in the state folder.
type savedTip struct {
	Origin  string      `json:"origin"`
	Batches int64       `json:"batches"`
	Last    int64       `json:"last"`
	Size    int64       `json:"size"`
	Edge    []tlog.Hash `json:"edge"`
	Keys    []knownKey  `json:"keys"`
}

func (l *Ledger) tipFile() string { return filepath.Join(l.Dir, "tip") }

// save makes the tip durable.
func (l *Ledger) save(t *tip) error {
	raw, err := json.Marshal(savedTip{t.head.Origin, t.head.Batches, t.last, t.head.Edge.Size, t.head.Edge.Hashes, t.keys.known})
	if err != nil {
		return fault.Wrap(fault.Internal, err)
	}
	if err := atomicfile.Write(l.tipFile(), append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("noting how far the ledger is: %w", err)
	}
	return nil
}

// load reads the tip of this replica; nil if it has none.
func (l *Ledger) load() (*tip, error) {
	raw, err := os.ReadFile(l.tipFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var s savedTip
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	edge := tree.Edge{Size: s.Size, Hashes: s.Edge}
	if err = errors.Join(err, edge.Check()); err != nil {
		return nil, fault.New(fault.Damaged, "%s does not say how far the ledger is: %w", l.tipFile(), err).
			WithHint("compare the ledger's checkpoint in the sinks with one that was noted elsewhere, then remove the file")
	}
	if s.Origin != l.Origin {
		return nil, fault.New(fault.Request, "the state folder is of the ledger %.100q, not of %q", s.Origin, l.Origin).
			WithHint("a ledger with another origin needs other sinks or prefixes; move %s away then", l.Dir)
	}
	keys, err := newKeyring(l.Keys, s.Keys)
	if err != nil {
		return nil, err
	}
	return &tip{head: tree.Head{Origin: s.Origin, Batches: s.Batches, Edge: edge}, last: s.Last, keys: keys}, nil
}

// Check reads from the first sink the last batch that this replica has seen there, and
// returns an error if it is not there as it was, or if what is at the next number can't
// be read. It signs and writes nothing, and believes nothing that came later. A replica that has seen none looks whether the
// first one is there: known is false then, and begun says so.
func (l *Ledger) Check(ctx context.Context) (known, begun bool, err error) {
	t, err := l.load()
	if err != nil {
		return false, false, err
	}
	n := int64(0)
	if known = t != nil && t.last >= 0; known {
		n = t.last
	}
	raw, ok, err := read(ctx, l.Sinks[0], tree.BatchKey(n))
	if err != nil || !known {
		return false, ok, err
	}
	if !ok {
		return true, true, Problem{RolledBack, l.Sinks[0].Name, tree.BatchKey(n), "this replica has seen it there"}.refusal()
	}
	if b, err := tree.Unverified(raw); err != nil || b.After().Checkpoint() != t.head.Checkpoint() {
		return true, true, Problem{Forked, l.Sinks[0].Name, tree.BatchKey(n), "it is not the batch that this replica has seen there"}.refusal()
	}
	next, first := tree.BatchKey(t.head.Batches), l.Sinks[0]
	if _, _, err = read(ctx, first, next); withheld(ctx, first, next, err) {
		err = unreadable(next, err)
	}
	return true, true, err
}
