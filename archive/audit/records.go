package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// record takes in a record: of every entry that has its sum.
func (c *computation) record(raw []byte) {
	sum := sha256.Sum256(raw)
	if e, ok := c.earlier[sum]; ok {
		c.read(e.Entry, e.Index, raw)
		return
	}
	i, ok := c.sums[sum]
	if !ok {
		c.stranger(sum, raw)
		return
	}
	if c.entries[i].read {
		c.find(Doubled, c.entries[i].Key, saidDoubledRecord)
		return
	}
	for ; i >= 0; i = c.entries[i].same {
		c.entries[i].read = true
		c.read(c.entries[i].Entry, c.index(i), raw)
	}
}

// stranger takes in a record that no entry has the sum of: a plan of before, or one
// that was altered or added.
func (c *computation) stranger(sum [sha256.Size]byte, raw []byte) {
	v, err := evidence.Decode(raw)
	key := ""
	switch r := v.(type) {
	case evidence.Plan:
		c.outside[sum] = r
		return
	case evidence.Manifest:
		key = r.Slot().ManifestKey()
	case evidence.Gap:
		key = r.Slot().GapKey()
	case interface {
		Encode() (string, []byte, error)
	}:
		key, _, _ = r.Encode()
	}
	if i, ok := c.keys[key]; ok {
		c.find(Altered, key, saidAlteredRecord, c.entries[i].Sum, sum)
		c.entries[i].read = true // it is told of
		return
	}
	if i, ok := c.keys[tree.FoundKey(key)]; ok {
		c.find(Altered, key, saidAlteredRecord, c.entries[i].Sum, sum)
		c.entries[i].read = true
		return
	}
	if err != nil {
		c.find(Unlogged, "", saidUnloggedBytes, sum, err)
		return
	}
	c.find(Unlogged, key, saidUnloggedRecord, sum)
}

// read takes in the record of an entry.
func (c *computation) read(e tree.Entry, index int64, raw []byte) {
	var err error
	switch e.Kind() {
	case tree.Manifest, tree.Gap, tree.Found:
		err = c.readSlot(e, index, raw)
	case tree.Plan:
		var p evidence.Plan
		if p, err = evidence.DecodePlan(raw, e.Key); err == nil {
			without, with := c.bounds.of(index)
			c.plans[e.Key], c.inForce[e.Key] = p, without
			c.dated(e.Key, p.Since, without, with)
		}
	case tree.Slate:
		var s evidence.Slate
		if s, err = evidence.DecodeSlate(raw, e.Key); err == nil {
			c.slates = append(c.slates, slated{Slate: s, index: index, key: e.Key})
		}
	case tree.Policy:
		if _, err = evidence.DecodePolicy(raw, e.Key); err == nil {
			c.policies = append(c.policies, index)
		}
	case tree.NextKey:
		_, err = evidence.DecodeNextKey(raw, e.Key)
	case tree.Epoch:
		_, err = evidence.DecodeEpoch(raw, e.Key)
	case tree.Statement:
		err = checkStatement(raw, e.Key)
	}
	switch {
	case fault.Of(err) == fault.Newer:
		c.find(Unreadable, e.Key, saidNewer, err)
	case err != nil:
		c.find(Misplaced, e.Key, saidMisplaced, err)
		c.unsettle(e, index)
	}
}

// settle notes an entry that settles a slot, whose record is still to be read.
func (c *computation) settle(e tree.Entry, index int64) {
	slot, name, ok := evidence.ParseKey(e.Object())
	if !ok {
		return // read says so
	}
	now := settled{manifest: name == evidence.ManifestName, found: e.Kind() == tree.Found, at: index}
	pack := packKey(slot.Source, slot.Pack)
	if c.slots[pack] == nil {
		c.slots[pack] = make(map[int64]settled)
	}
	if before, ok := c.slots[pack][slot.Due.Unix()]; !ok || now.counts(before) {
		c.slots[pack][slot.Due.Unix()] = now
	}
}

// unsettle takes that back.
func (c *computation) unsettle(e tree.Entry, index int64) {
	slot, _, _ := evidence.ParseKey(e.Object())
	if pack := c.slots[packKey(slot.Source, slot.Pack)]; pack[slot.Due.Unix()].at == index {
		delete(pack, slot.Due.Unix())
	}
}

// readSlot takes in the record of a slot.
func (c *computation) readSlot(e tree.Entry, index int64, raw []byte) error {
	slot, name, ok := evidence.ParseKey(e.Object())
	if !ok {
		return fault.New(fault.Damaged, "%.400q is not the key of a slot's record", e.Object())
	}
	says, pruned := time.Time{}, false
	if name == evidence.ManifestName {
		m, err := evidence.DecodeManifest(raw, slot)
		if err != nil {
			return err
		}
		says, pruned = m.Sealed, c.isPruned(m)
		if c.Sealed != nil {
			c.Sealed(m)
		}
	} else {
		g, err := evidence.DecodeGap(raw, slot)
		if err != nil {
			return err
		}
		if says = g.Recorded; c.within(slot) {
			c.gaps[slot] = g
		}
	}
	if e.Kind() != tree.Found && c.within(slot) {
		without, with := c.bounds.of(index)
		c.dated(e.Key, says, without, with)
	}
	pack := c.slots[packKey(slot.Source, slot.Pack)]
	if s := pack[slot.Due.Unix()]; s.at == index {
		s.says, s.pruned = says.Unix(), pruned
		pack[slot.Due.Unix()] = s
	}
	return nil
}

// isPruned reports whether the ledger says that a manifest's report was removed.
func (c *computation) isPruned(m evidence.Manifest) bool {
	i, ok := c.pruned[m.ReportKey()]
	if ok && hex.EncodeToString(c.entries[i].Sum[:]) != m.SHA256 {
		c.find(Pruned, m.ReportKey(), saidPrunedOther)
	}
	return ok
}

// counts reports whether a record counts rather than another one of the same slot:
// one that was logged rather than found, then a manifest rather than a gap.
func (s settled) counts(other settled) bool {
	if s.found != other.found {
		return !s.found
	}
	return s.manifest && !other.manifest
}

// skew is how far clocks may differ, and an entry may wait until it is committed.
const skew = time.Hour

// dated holds when something says that it was made against the last stamp of a
// ledger without it, and the first of one with it.
func (c *computation) dated(key string, says, without, with time.Time) {
	switch {
	case len(c.Stamps) == 0:
	case with.IsZero():
		c.find(Unstamped, key, saidAfterStamps)
	case says.After(with.Add(skew)):
		c.find(Backdated, key, saidAhead, says, with)
	case !with.After(says.Add(Grace)):
	case without.After(says.Add(skew)):
		c.find(Backdated, key, saidBackdated, says, without, with)
	default:
		c.find(Unstamped, key, saidStampedLate, says, with)
	}
}
