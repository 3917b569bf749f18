package bundle

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"packseal.example/archive/audit"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/anchor"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness/cosignature"
	"packseal.example/internal/fault"
)

// mark is a checkpoint that others vouched for, or the last one.
type mark struct {
	by anchor.Anchored
	ledger.Latest
	edge   tree.Edge // of its tree; without hashes until the entries were read
	loaded bool
	stamps []audit.Stamp
	files  map[string][]byte // what others said of it, by names in the bundle
}

// marks returns the checkpoints up to the tip that others vouched for, and the tip, by
// size. Whether they are of the ledger is not known yet.
func (m *making) findMarks(ctx context.Context) (marks []*mark, err error) {
	tip, err := m.Ledger.Latest(ctx)
	if err != nil {
		return nil, err
	}
	all, err := anchor.List(ctx, m.Sinks[0])
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a anchor.Anchored) bool { return a.N > tip.N }) // planted
	if n := len(all); n == 0 || all[n-1].N < tip.N {
		all = append(all, anchor.Anchored{N: tip.N})
	}
	for c, err := range inOrder(ctx, all, m.readMark) {
		if err != nil {
			return nil, err
		}
		if c != nil && c.Checkpoint.Size <= tip.Checkpoint.Size {
			marks = append(marks, c)
		}
	}
	slices.SortStableFunc(marks, func(x, y *mark) int { return cmp.Compare(x.Checkpoint.Size, y.Checkpoint.Size) })
	return marks, nil
}

// readMark reads a checkpoint; nil = no sink has one.
func (s Source) readMark(ctx context.Context, a anchor.Anchored) (*mark, error) {
	c := &mark{by: a, Latest: ledger.Latest{N: a.N}, files: make(map[string][]byte)}
	o, err := s.get(ctx, tree.CheckpointKey(a.N), maxObject, func(raw []byte) bool {
		text, _, ok := strings.Cut(string(raw), "\n\n")
		var err error
		c.Checkpoint, err = tree.ParseCheckpoint(text + "\n")
		return ok && err == nil
	})
	if c.Raw = o.bytes; err != nil || !o.good {
		return nil, err
	}
	return c, nil
}

// load reads what others said of a checkpoint. What does not hold is left out, and
// named.
func (m *making) load(ctx context.Context, c *mark) error {
	if c.loaded {
		return nil
	}
	c.loaded = true
	if m.Stamp != nil {
		for name, keys := range anchor.InOrder(c.by.Stamps) {
			if err := m.loadToken(ctx, c, name, keys); err != nil {
				return err
			}
		}
	}
	var lines []byte
	for id, keys := range anchor.InOrder(c.by.Cosignatures) {
		line, err := m.loadLine(ctx, c, id, keys)
		if err != nil {
			return err
		}
		lines = append(lines, line...)
	}
	if lines != nil {
		c.files[audit.CosignaturesName(c.N)] = lines
	}
	return nil
}

// loadToken reads the first token of an authority that holds.
func (m *making) loadToken(ctx context.Context, c *mark, authority string, keys []string) error {
	var wrong error
	holds := func(token []byte) bool {
		at, err := m.Stamp(authority, token, c.Raw)
		if wrong = err; err == nil {
			c.stamps = append(c.stamps, audit.Stamp{Size: c.Checkpoint.Size, Time: at, Name: authority})
		}
		return err == nil
	}
	for _, key := range keys {
		o, err := m.get(ctx, key, maxObject, holds)
		if err != nil {
			return err
		}
		if o.good {
			c.files[audit.TokenName(c.N, authority)] = o.bytes
			return nil
		}
		m.note(audit.Token, key, "it does not prove its checkpoint, and was left out: %v", "它不能证明其检查点，未收入：%v", wrong)
	}
	return nil
}

// loadLine reads the first cosignature of a witness's key that holds; nil = none does.
func (m *making) loadLine(ctx context.Context, c *mark, id uint32, keys []string) ([]byte, error) {
	for _, key := range keys {
		o, err := m.get(ctx, key, maxObject, func(raw []byte) bool { return m.cosigned(c, id, raw) })
		if err != nil || o.good {
			return o.bytes, err
		}
		m.note(audit.Unwitnessed, key, "it is not a cosignature of its checkpoint, and was left out", "它不是该检查点的共同签名，未收入")
	}
	return nil, nil
}

// cosigned reports whether a line is a cosignature of a checkpoint by the key of that ID,
// as far as that can be told: of a witness that is not known it only has to be one in its form.
func (m *making) cosigned(c *mark, id uint32, line []byte) bool {
	l, err := cosignature.Parse(string(line))
	if err != nil || l.ID != id {
		return false
	}
	text, _, _ := bytes.Cut(c.Raw, []byte("\n\n"))
	for _, key := range m.Witnesses {
		w, err := cosignature.NewVerifier(key)
		if err != nil || w.Name() != l.Name || w.KeyHash() != l.ID {
			continue
		}
		if l.Verify(string(text)+"\n", w) != nil {
			return false
		}
		m.cosigns[w.Name()] = true
	}
	return true
}

// stamped returns the index of the first of marks, from i on in steps of one, that an
// authority stamped; ok = false if none did.
func (m *making) stamped(ctx context.Context, i, step int) (at int, ok bool, err error) {
	for ; i >= 0 && i < len(m.marks); i += step {
		if err := m.load(ctx, m.marks[i]); err != nil {
			return 0, false, err
		}
		if len(m.marks[i].stamps) > 0 {
			return i, true, nil
		}
	}
	return 0, false, nil
}

// errEmpty is the error of a ledger without entries.
var errEmpty = fault.New(fault.NotFound, "the ledger has no entries yet").WithHint("the daemon logs what it keeps; packseal ledger status shows how far it is")
