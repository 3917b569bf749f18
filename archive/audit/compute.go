package audit

import (
	"cmp"
	"crypto/sha256"
	"iter"
	"slices"
	"strings"
	"time"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/period"
)

// Period is what a statement is about.
type Period struct {
	From, Until time.Time // [From, Until), UTC
	Zone        string    // an IANA name, of the days that the period was asked for in
	Packs       []string  // as <source>/<pack>; none = all
}

// Input is what [Compute] makes a statement from: a part [Begin, Begin+n) of the
// ledger, which begins at a stamped checkpoint before the period and ends at one
// after it. It was verified.
type Input struct {
	Period
	Tool       string          // "packseal/<version>"
	Begin      int64           // entries before the part
	Checkpoint tree.Checkpoint // at its end
	Stamps     []Stamp         // in any order
	Witnesses  []string

	// Entries yields the part, in order.
	Entries iter.Seq2[tree.Entry, error]

	// Records yields the records whose sums are in the part, as they are stored, in any order. Each is believed because of its sum; so is a plan that the
	// first slate of the part names. It is called after Entries has ended, on another
	// goroutine than the one that called Compute.
	Records iter.Seq2[[]byte, error]

	// Sealed, if it is not nil, is called for each manifest of the part.
	Sealed func(evidence.Record)
}

// Ended returns the part of the period up to now, this second included: of what falls
// due later, nothing can be said. The error is fault.Request if there is none.
func (p Period) Ended(now time.Time) (Period, error) {
	now = now.UTC().Truncate(time.Second).Add(time.Second)
	if !p.From.Before(now) {
		return p, fault.New(fault.Request, "the period has not begun: it is from %s on", p.From.UTC().Format(time.RFC3339)).WithHint("ask for days that are over, or for today")
	}
	p.Until = period.Earlier(p.Until, now)
	return p, nil
}

// settled is how a slot ended.
type settled struct {
	manifest, found, pruned bool

	at   int64 // the index of its entry
	says int64 // when it was sealed or recorded, by its record, Unix
}

// computation is a statement on its way.
type computation struct {
	Input
	s        Statement
	bounds   bounds
	entries  []logged
	read     []bool                      // of each entry: its record was there
	sums     map[[sha256.Size]byte]int32 // the last entry of that sum
	keys     map[string]int32            // the first entry of that key
	slots    map[string]map[int64]settled
	gaps     map[evidence.Slot]evidence.Record
	plans    map[string]evidence.Plan // by key
	inForce  map[string]time.Time     // of plans: the earliest time that the ledger proves
	slates   []slated
	policies []policy
	pruned   map[string]int32                    // by the report's key
	outside  map[[sha256.Size]byte]evidence.Plan // that no entry has the sum of
	found    findings
	wanted   map[string]bool // packs; none = all
	steps    int             // see stepsMost
}

// logged is an entry of the part.
type logged struct {
	tree.Entry
	kind     tree.Kind
	slot     evidence.Slot // of a slot's record
	manifest bool          // the record is one
	same     int32         // the one before with the same sum, or -1
}

// Compute makes a statement. It takes memory in proportion to the entries, about
// 300 bytes each, and reads records one by one. An error is one of Entries or
// Records, or fault.Damaged if so many records have no entry that they can't be meant.
// What is wrong with what they yield is else a finding of the statement.
func Compute(in Input) (Statement, error) {
	n := max(in.Checkpoint.Size-in.Begin, 0)
	c := &computation{
		Input: in, bounds: newBounds(in.Stamps), entries: make([]logged, 0, n), read: make([]bool, 0, n),
		sums: make(map[[sha256.Size]byte]int32, n), keys: make(map[string]int32, n), slots: make(map[string]map[int64]settled),
		gaps: make(map[evidence.Slot]evidence.Record), pruned: make(map[string]int32),
		plans: make(map[string]evidence.Plan), inForce: make(map[string]time.Time),
		outside: make(map[[sha256.Size]byte]evidence.Plan),
		wanted:  make(map[string]bool),
	}
	for _, p := range in.Packs {
		c.wanted[p] = true
	}
	c.s = Statement{
		Checkpoint: Checkpoint{in.Checkpoint.Origin, in.Checkpoint.Root.String(), in.Checkpoint.Size},
		Findings:   []Finding{}, From: in.From.UTC(), Gaps: []Gap{}, Late: []LateSlot{}, Missing: []Slot{}, Open: []Slot{},
		Packs: in.Packs, PlanChanges: []PlanChange{}, Schema: StatementSchema, SlatesLate: []LateSlate{},
		Stamps: tell(in.Stamps, in.From, in.Until), Tool: in.Tool, Unscheduled: []Unscheduled{}, Until: in.Until.UTC(),
		Witnesses: append([]string{}, in.Witnesses...), Zone: in.Zone,
		NotProven: []Limit{LimitTruth, LimitRecent, LimitCollusion, LimitUnplanned},
	}
	if len(in.Stamps) == 0 {
		c.s.NotProven = append(c.s.NotProven, LimitTime)
	}
	for e, err := range in.Entries {
		if err != nil {
			return Statement{}, err
		}
		c.entry(e)
	}
	if err := c.readRecords(); err != nil {
		return Statement{}, err
	}
	c.unread()
	c.checkPruned()
	history := c.history()
	c.checkSlates(history)
	c.expect(history)
	c.changes(history)
	c.s.Findings = c.found.all()
	return c.s, nil
}

// entry takes in the next entry.
func (c *computation) entry(e tree.Entry) {
	i := int32(len(c.entries))
	same, ok := c.sums[e.Sum]
	if !ok {
		same = -1
	}
	c.entries, c.read = append(c.entries, newLogged(e, same)), append(c.read, false)
	first, again := c.keys[e.Key]
	if again && c.entries[first].Sum != e.Sum {
		c.find(Doubled, e.Key, saidDoubledEntry)
	}
	if again && c.entries[first].Sum == e.Sum {
		c.read[i] = true // the first one stands for both
		return
	}
	c.sums[e.Sum] = i
	if !again {
		c.keys[e.Key] = i
	}
	switch c.entries[i].kind {
	case tree.Manifest, tree.Gap, tree.Found:
		c.settle(&c.entries[i], c.index(i))
	case tree.Pruned:
		c.pruned[e.Object()] = i
	case tree.Void:
		c.s.Voids++
	case tree.Epoch:
		if c.index(i) != 0 {
			c.find(Misplaced, e.Key, saidMisplacedEpoch)
		}
	}
}

// newLogged parses an entry's key, once: there are many.
func newLogged(e tree.Entry, same int32) logged {
	l := logged{Entry: e, same: same}
	key, found := strings.CutPrefix(e.Key, foundPrefix)
	slot, name, ok := evidence.ParseKey(key)
	l.manifest = name == evidence.ManifestName
	switch {
	case found:
		l.kind = tree.Found
	case !ok:
		l.kind = e.Kind()
	case l.manifest:
		l.kind = tree.Manifest
	case name == evidence.GapName:
		l.kind = tree.Gap
	}
	if ok && (l.manifest || name == evidence.GapName) {
		l.slot = slot
	}
	return l
}

// foundPrefix begins the keys of entries for records that were found.
var foundPrefix = tree.FoundKey("")

// index returns the entry's index in the ledger.
func (c *computation) index(i int32) int64 { return c.Begin + int64(i) }

// find adds a finding.
func (c *computation) find(w Word, key string, s said, args ...any) {
	c.found.add(w, key, s, args...)
}

// wants reports whether the statement is about the pack.
func (c *computation) wants(source, pack string) bool {
	return len(c.Packs) == 0 || c.wanted[packKey(source, pack)]
}

// within reports whether the statement is about the slot.
func (c *computation) within(s evidence.Slot) bool {
	return !s.Due.Before(c.From) && s.Due.Before(c.Until) && c.wants(s.Source, s.Pack)
}

// Covering returns what reports whether the period is about a slot.
func (p Period) Covering() func(evidence.Slot) bool {
	c := &computation{Input: Input{Period: p}, wanted: make(map[string]bool)}
	for _, pack := range p.Packs {
		c.wanted[pack] = true
	}
	return c.within
}

// packKey names a pack in the statement.
func packKey(source, pack string) string { return source + "/" + pack }

// unread finds the entries whose records are not there.
func (c *computation) unread() {
	for i, e := range c.entries {
		switch {
		case c.read[i], e.kind == "", e.kind == tree.Pruned, e.kind == tree.Void:
		default:
			c.find(Unarchived, e.Key, saidUnarchived)
		}
	}
}

// policy is when pruning may remove reports, from an entry on.
type policy struct {
	index int64
	keep  evidence.Keep
}

// checkPruned holds the tombstones against the policy before each.
func (c *computation) checkPruned() {
	slices.SortFunc(c.policies, func(x, y policy) int { return cmp.Compare(x.index, y.index) })
	for i, e := range c.entries {
		if e.kind != tree.Pruned {
			continue
		}
		index, key := c.index(int32(i)), e.Object()
		slot, _, ok := evidence.ParseKey(key)
		n, _ := slices.BinarySearchFunc(c.policies, index, func(p policy, at int64) int { return cmp.Compare(p.index, at) })
		_, stamped := c.bounds.of(index)
		switch {
		case !ok:
			c.find(Misplaced, e.Key, saidPrunedKey)
		case n == 0:
			c.find(Pruned, key, saidNoPolicy)
		case c.policies[n-1].keep == (evidence.Keep{}):
			c.find(Pruned, key, saidKept)
		case !stamped.IsZero() && stamped.Before(c.policies[n-1].keep.End(slot.Due)):
			c.find(Pruned, key, saidPrunedEarly, stamped, c.policies[n-1].keep)
		}
	}
}
