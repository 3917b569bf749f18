package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"time"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// record is one that was decoded.
type record struct {
	raw  []byte
	sum  [sha256.Size]byte
	hits []hit // of the entries that have its sum; none: it is a stranger
}

// hit is a record as that of an entry.
type hit struct {
	*logged
	at    int32 // the entry's place in the part
	value any   // what was decoded; an evidence.Record, of a slot's
	err   error
}

// strangers is how many records that no entry has the sum of are looked at.
const strangers = 1000

// readRecords takes in the records. They are decoded on all processors, and taken in
// in their order.
func (c *computation) readRecords() (err error) {
	const chunk = 64
	type job chan []record
	jobs := make(chan job, 2*runtime.GOMAXPROCS(0))
	stop := make(chan struct{})
	go func() {
		defer close(jobs)
		var raws [][]byte
		send := func() bool {
			j, work := make(job, 1), raws
			raws = nil
			select {
			case jobs <- j:
			case <-stop:
				return false
			}
			go func() {
				records := make([]record, len(work))
				for i, raw := range work {
					records[i] = c.decode(raw)
				}
				j <- records
			}()
			return true
		}
		for raw, e := range c.Records {
			if err = e; err != nil {
				break
			}
			if raws = append(raws, bytes.Clone(raw)); len(raws) == chunk && !send() {
				return
			}
		}
		send()
	}()
	stopped := false
	for j := range jobs {
		for _, r := range <-j {
			if c.take(r); c.found.words[Unlogged]+c.found.words[Doubled] > strangers && !stopped {
				stopped = true
				close(stop)
			}
		}
	}
	if stopped {
		return errStrangers
	}
	return err
}

// errStrangers is the error of [Compute] for more records without an entry than it
// looks at.
var errStrangers = fault.New(fault.Damaged, "more than %d records are not in the ledger", strangers)

// decode decodes a record as that of every entry that has its sum. It changes nothing.
func (c *computation) decode(raw []byte) record {
	r := record{raw: raw, sum: sha256.Sum256(raw)}
	if i, ok := c.sums[r.sum]; ok {
		for ; i >= 0; i = c.entries[i].same {
			r.hits = append(r.hits, hit{logged: &c.entries[i], at: i})
		}
	}
	for i := range r.hits {
		r.hits[i].decode(raw)
	}
	return r
}

func (h *hit) decode(raw []byte) {
	switch h.kind {
	case tree.Manifest, tree.Gap, tree.Found:
		switch {
		case h.slot == (evidence.Slot{}):
			h.err = fault.New(fault.Damaged, "%.400q is not the key of a slot's record", h.Key)
		case h.manifest:
			m, err := evidence.DecodeManifest(raw, h.slot)
			h.value, h.err = m.Record(), err
		default:
			g, err := evidence.DecodeGap(raw, h.slot)
			h.value, h.err = g.Record(), err
		}
	case tree.Plan:
		h.value, h.err = evidence.DecodePlan(raw, h.Key)
	case tree.Slate:
		h.value, h.err = evidence.DecodeSlate(raw, h.Key)
	case tree.Policy:
		h.value, h.err = evidence.DecodePolicy(raw, h.Key)
	case tree.NextKey:
		h.value, h.err = evidence.DecodeNextKey(raw, h.Key)
	case tree.Epoch:
		h.value, h.err = evidence.DecodeEpoch(raw, h.Key)
	case tree.Statement:
		h.err = checkStatement(raw, h.Key)
	}
}

// take takes in a record.
func (c *computation) take(r record) {
	if len(r.hits) == 0 {
		c.stranger(r.sum, r.raw)
		return
	}
	if c.read[r.hits[0].at] {
		c.find(Doubled, r.hits[0].Key, saidDoubledRecord)
		return
	}
	for _, h := range r.hits {
		c.read[h.at] = true
		c.takeAs(h, c.index(h.at))
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
	i, ok := c.keys[key]
	if !ok {
		i, ok = c.keys[tree.FoundKey(key)]
	}
	if ok {
		c.find(Altered, key, saidAlteredRecord, c.entries[i].Sum, sum)
		c.read[i] = true // it is told of
		return
	}
	if err != nil {
		c.find(Unlogged, "", saidUnloggedBytes, sum, err)
		return
	}
	c.find(Unlogged, key, saidUnloggedRecord, sum)
}

// takeAs takes in what was decoded as the record of the entry of that index.
func (c *computation) takeAs(h hit, index int64) {
	switch {
	case fault.Of(h.err) == fault.Newer:
		c.find(Unreadable, h.Key, saidNewer, h.err)
		return
	case h.err != nil:
		c.find(Misplaced, h.Key, saidMisplaced, h.err)
		c.unsettle(h.logged, index)
		return
	}
	switch v := h.value.(type) {
	case evidence.Record:
		c.takeSlot(h, index, v)
	case evidence.Plan:
		c.plans[h.Key] = v
		c.inForce[h.Key], _ = c.bounds.of(index)
		c.dated(h.Key, v.Since, index)
	case evidence.Slate:
		c.slates = append(c.slates, slated{Slate: v, index: index, key: h.Key})
	case evidence.Policy:
		var keep evidence.Keep // for ever
		if v.Keep != "" {
			var err error
			if keep, err = evidence.ParseKeep(v.Keep); err != nil {
				c.find(Unreadable, h.Key, saidUnreadable, err)
			}
		}
		c.policies = append(c.policies, policy{index, keep})
	}
}

// settle notes an entry that settles a slot, whose record is still to be read.
func (c *computation) settle(e *logged, index int64) {
	if e.slot == (evidence.Slot{}) {
		return // decode says so
	}
	now := settled{manifest: e.manifest, found: e.kind == tree.Found, at: index}
	pack := packKey(e.slot.Source, e.slot.Pack)
	if c.slots[pack] == nil {
		c.slots[pack] = make(map[int64]settled)
	}
	if before, ok := c.slots[pack][e.slot.Due.Unix()]; !ok || now.counts(before) {
		c.slots[pack][e.slot.Due.Unix()] = now
	}
}

// unsettle takes that back.
func (c *computation) unsettle(e *logged, index int64) {
	if pack := c.slots[packKey(e.slot.Source, e.slot.Pack)]; pack[e.slot.Due.Unix()].at == index {
		delete(pack, e.slot.Due.Unix())
	}
}

// takeSlot notes when a slot was settled, as its record says.
func (c *computation) takeSlot(h hit, index int64, r evidence.Record) {
	within := c.within(r.Slot)
	if r.State == evidence.Sealed {
		r.Pruned = c.isPruned(r)
		if c.Sealed != nil {
			c.Sealed(r)
		}
	} else if within {
		c.gaps[r.Slot] = r
	}
	if h.kind != tree.Found && within {
		c.dated(h.Key, r.Settled, index)
	}
	pack := c.slots[packKey(r.Source, r.Pack)]
	if s, ok := pack[r.Due.Unix()]; ok && s.at == index {
		s.says, s.pruned = r.Settled.Unix(), r.Pruned
		pack[r.Due.Unix()] = s
	}
}

// isPruned reports whether the ledger says that a sealed slot's report was removed.
func (c *computation) isPruned(r evidence.Record) bool {
	i, ok := c.pruned[r.Object]
	if ok && hex.EncodeToString(c.entries[i].Sum[:]) != r.SHA256 {
		c.find(Pruned, r.Object, saidPrunedOther)
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
// ledger without its entry, and the first of one with it.
func (c *computation) dated(key string, says time.Time, index int64) {
	without, with := c.bounds.of(index)
	switch {
	case len(c.Stamps) == 0 || index < c.Begin:
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
