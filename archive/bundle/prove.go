package bundle

import (
	"context"
	"fmt"
	"path"
	"sort"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/audit"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Proof proves a slot by itself: that its record is in the ledger, and since when.
type Proof struct {
	Manifest *evidence.Manifest // nil = the slot is a gap
	Found    bool               // the record lay in the archive, and nobody vouches for how it came there
	Index    int64              // of the entry
	Stamped  time.Time          // when an authority saw the checkpoint; zero = none has yet
	Name     string             // of the slot's files: <source>_<pack>_<due>
	Findings []audit.Finding    // what was left out, such as tokens that do not hold

	// Files are the record, manifest.json or gap.json, the proof, <slot>.tlog-proof, and
	// for each token <slot>.<authority>.tsr, by their names.
	Files map[string][]byte
}

// Prove proves a slot, by the first stamped checkpoint that has its record, or by the
// last checkpoint if none is stamped since. The error is fault.NotFound if the ledger
// has no record of the slot.
func (s Source) Prove(ctx context.Context, slot evidence.Slot) (Proof, error) {
	m := &making{Source: s, cosigns: make(map[string]bool), covers: audit.Period{}.Covering()}
	var err error
	if m.survey, err = m.look(ctx); err != nil {
		return Proof{}, err
	}
	e, index, err := s.entryOf(ctx, slot)
	if err != nil {
		return Proof{}, err
	}
	at := sort.Search(len(m.marks), func(i int) bool { return m.marks[i].Checkpoint.Size > index })
	if at == len(m.marks) {
		return Proof{}, fault.New(fault.Conflict, "the ledger grew just now").WithHint("try again")
	}
	if i, ok, err := m.stamped(ctx, at, 1); err != nil {
		return Proof{}, err
	} else if ok {
		at = i
	} else {
		at = len(m.marks) - 1
	}
	return m.prove(ctx, slot, e, index, m.marks[at])
}

// entryOf returns the entry of a slot's record: of a manifest rather than a gap, of one
// that was logged rather than found.
func (s Source) entryOf(ctx context.Context, slot evidence.Slot) (best tree.Entry, index int64, err error) {
	ranks := map[string]int{slot.ManifestKey(): 4, slot.GapKey(): 3, tree.FoundKey(slot.ManifestKey()): 2, tree.FoundKey(slot.GapKey()): 1}
	i := int64(0)
	for e, err := range s.Ledger.Entries(ctx) {
		if err != nil {
			return best, 0, err
		}
		if r := ranks[e.Key]; r > ranks[best.Key] {
			best, index = e, i
		}
		i++
	}
	if best.Key == "" {
		err = fault.New(fault.NotFound, "the ledger has no record of %s", slot).WithHint("what was kept a short while ago is logged with the next commit: packseal ledger status")
	}
	return best, index, err
}

// prove proves an entry by a checkpoint.
func (m *making) prove(ctx context.Context, slot evidence.Slot, e tree.Entry, index int64, c *mark) (Proof, error) {
	name := strings.ReplaceAll(slot.Source+"_"+slot.Pack, "/", "_") + "_" + slot.Due.UTC().Format(evidence.DueFormat)
	p := Proof{Index: index, Name: name, Findings: m.found, Found: e.Kind() == tree.Found, Files: make(map[string][]byte)}
	o, err := m.object(ctx, e)
	if err != nil {
		return p, err
	}
	if !o.good {
		return p, fault.New(fault.Damaged, "no sink has %s as it was logged", e.Object())
	}
	record := path.Base(e.Object())
	p.Files[record] = o.bytes
	if record == evidence.ManifestName {
		decoded, err := evidence.DecodeManifest(o.bytes, slot)
		if err != nil {
			return p, err
		}
		p.Manifest = &decoded
	}
	hashes, err := m.pathOf(ctx, c.Checkpoint.Size, index)
	if err != nil {
		return p, err
	}
	proof := tree.Proof{Key: e.Key, Index: index, Hashes: hashes, Checkpoint: c.Raw}
	if err := tlog.CheckRecord(hashes, c.Checkpoint.Size, c.Checkpoint.Root, index, e.Leaf()); err != nil {
		return p, fault.New(fault.Damaged, "the ledger's entries do not give the root of its checkpoint %s: %w", c.Checkpoint, err)
	}
	p.Files[name+".tlog-proof"] = proof.Format()
	for _, s := range c.stamps {
		if p.Stamped.IsZero() || s.Time.Before(p.Stamped) {
			p.Stamped = s.Time
		}
		p.Files[fmt.Sprintf("%s.%s.tsr", name, s.Name)] = c.files[audit.TokenName(c.N, s.Name)]
	}
	return p, nil
}

// wanted collects which hashes a proof takes, and then has them.
type wanted struct {
	indexes []int64
	edges   []tree.Edge
}

// ReadHashes implements [tlog.HashReader].
func (w *wanted) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i := range w.edges {
		hashes[i] = w.edges[i].Root()
	}
	w.indexes = indexes
	return hashes, nil
}

// pathOf returns the proof of an entry, in one pass over the entries, and in little
// memory.
func (m *making) pathOf(ctx context.Context, size, index int64) (tlog.RecordProof, error) {
	w := new(wanted)
	if _, err := tlog.ProveRecord(size, index, w); err != nil {
		return nil, err
	}
	w.edges = make([]tree.Edge, len(w.indexes))
	i := int64(0)
	for e, err := range m.Ledger.Entries(ctx) {
		if err != nil {
			return nil, err
		}
		if i == size {
			break
		}
		for at, stored := range w.indexes {
			if level, n := tlog.SplitStoredHashIndex(stored); i>>level == n {
				w.edges[at].Append(e.Leaf())
			}
		}
		i++
	}
	return tlog.ProveRecord(size, index, w)
}
