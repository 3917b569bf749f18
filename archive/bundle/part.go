package bundle

import (
	"context"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"time"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/audit"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/plans"
	"packseal.example/internal/evidence"
	"packseal.example/internal/period"
)

// placed is an entry with its index.
type placed struct {
	tree.Entry
	index int64
	time  time.Time // in its key
}

// survey is what a ledger has with respect to a period: one pass over its entries.
type survey struct {
	marks    []*mark
	a, b     int // indexes of marks; a = -1: from the ledger's beginning
	plans    []placed
	slates   []placed
	policies []placed
	pruned   []int64         // indexes
	rotated  bool            // keys were exchanged, and not all are known
	stated   map[string]bool // keys of statements that were logged
	settled  map[evidence.Slot]int64
}

// look reads the ledger.
func (m *making) look(ctx context.Context) (*survey, error) {
	s := &survey{settled: make(map[evidence.Slot]int64), stated: make(map[string]bool), a: -1}
	var err error
	if s.marks, err = m.findMarks(ctx); err != nil {
		return nil, err
	}
	edge, next := tree.Edge{}, 0
	for e, err := range m.Ledger.Entries(ctx) {
		if err != nil {
			return nil, err
		}
		s.take(placed{Entry: e, index: edge.Size}, m.covers)
		edge.Append(e.Leaf())
		for ; next < len(s.marks) && s.marks[next].Checkpoint.Size <= edge.Size; next++ {
			if c := s.marks[next]; c.Checkpoint.Size == edge.Size {
				c.edge = edge.Add(nil)
			}
		}
		if next == len(s.marks) {
			break // what was appended since is not of interest
		}
	}
	s.marks = slices.DeleteFunc(s.marks, func(c *mark) bool { return !m.holds(c, s.rotated) })
	if len(s.marks) == 0 {
		return nil, errEmpty
	}
	return s, nil
}

// keyTime matches the time in the keys of plans and slates.
var keyTime = regexp.MustCompile(`/(\d{8}T\d{6}Z)-[0-9a-f]{12}\.json$`)

func (s *survey) take(p placed, within func(evidence.Slot) bool) {
	if m := keyTime.FindStringSubmatch(p.Key); m != nil {
		p.time, _ = time.Parse(evidence.DueFormat, m[1])
	}
	switch p.Kind() {
	case tree.Plan:
		s.plans = append(s.plans, p)
	case tree.Slate:
		s.slates = append(s.slates, p)
	case tree.Policy:
		s.policies = append(s.policies, p)
	case tree.Pruned:
		s.pruned = append(s.pruned, p.index)
	case tree.NextKey:
		s.rotated = true
	case tree.Statement:
		s.stated[p.Key] = true
	case tree.Manifest, tree.Gap, tree.Found:
		slot, _, ok := evidence.ParseKey(p.Object())
		if _, again := s.settled[slot]; ok && !again && within(slot) {
			s.settled[slot] = p.index
		}
	}
}

// holds reports whether a checkpoint is one of the ledger. One that is not is named.
func (m *making) holds(c *mark, rotated bool) bool {
	key := tree.CheckpointKey(c.N)
	if c.edge.Size != c.Checkpoint.Size || c.edge.Root() != c.Checkpoint.Root {
		m.note(audit.Altered, key, "it is not what the ledger's entries give, and was left out", "它与账本条目推算的结果不符，未收入")
		return false
	}
	var known []note.Verifier
	for _, text := range m.Keys {
		if v, err := note.NewVerifier(text); err == nil {
			known = append(known, v)
		}
	}
	if _, _, err := tree.OpenCheckpoint(c.Raw, note.VerifierList(known...)); err != nil && !rotated {
		m.note(audit.Unsigned, key, "it is not signed by a key of the ledger, and was left out: %v", "它没有账本密钥的签名，未收入：%v", err)
		return false
	}
	return true
}

// begin returns the edge of the tree before the bundle's entries.
func (m *making) begin() tree.Edge {
	if m.a < 0 {
		return tree.Edge{}
	}
	return m.marks[m.a].edge
}

// within returns the checkpoints that the bundle has.
func (m *making) within() []*mark { return m.marks[max(m.a, 0) : m.b+1] }

// choose finds the part of the ledger that the bundle has. It begins at the last stamped
// checkpoint before the first slate that reaches into the period, before the plan that was
// in force at its beginning, and before the policy by which reports were pruned then. It ends at the first checkpoint
// that was stamped after the period and has a record of all that was due, or else at the
// last stamped one.
func (m *making) choose(ctx context.Context) error {
	first, err := m.earliest(ctx)
	if err != nil {
		return err
	}
	i := sort.Search(len(m.marks), func(i int) bool { return m.marks[i].Checkpoint.Size > first }) - 1
	at, ok, err := m.stamped(ctx, i, -1)
	if err != nil {
		return err
	}
	if m.a = -1; ok {
		m.a = at
	}
	return m.end(ctx, first)
}

// end finds where the part ends.
func (m *making) end(ctx context.Context, first int64) error {
	m.b = len(m.marks) - 1
	last, ok, err := m.stamped(ctx, m.b, -1)
	if err != nil || !ok {
		return err // nothing is stamped: all of it
	}
	m.b = last
	needed, all, err := m.needed(ctx, first)
	if err != nil || !all {
		return err
	}
	from := sort.Search(len(m.marks), func(i int) bool { return m.marks[i].Checkpoint.Size > needed })
	for i := from; ; i++ {
		at, ok, err := m.stamped(ctx, i, 1)
		if err != nil || !ok {
			return err
		}
		if i = at; slices.ContainsFunc(m.marks[i].stamps, func(s audit.Stamp) bool { return !s.Time.Before(m.Until) }) {
			m.b = i
			return nil
		}
	}
}

// earliest returns the index of the first entry that the bundle needs.
func (m *making) earliest(ctx context.Context) (int64, error) {
	i := slices.IndexFunc(m.slates, func(s placed) bool { return !s.time.Before(m.From) })
	if i < 0 {
		i = len(m.slates) - 1 // the period is after all that was said
	}
	if i < 0 {
		return 0, nil
	}
	first := m.slates[i].index
	slate, err := m.slate(ctx, m.slates[i])
	if err != nil {
		return 0, err
	}
	since := []time.Time{}
	for _, p := range m.plans {
		if hex.EncodeToString(p.Sum[:]) == slate.Plan {
			since = append(since, p.time)
		}
	}
	inForce, err := m.inForce(ctx)
	if err != nil {
		return 0, err
	}
	if !inForce.IsZero() {
		since = append(since, inForce)
	}
	for _, p := range m.plans {
		if slices.ContainsFunc(since, p.time.Equal) {
			first = min(first, p.index)
		}
	}
	return min(first, m.policy(first)), nil
}

// policy returns the index of the policy by which the first report was pruned from an
// entry on; that entry's if none was.
func (m *making) policy(first int64) int64 {
	i, _ := slices.BinarySearch(m.pruned, first)
	if i == len(m.pruned) {
		return first
	}
	for _, p := range slices.Backward(m.policies) {
		if p.index < m.pruned[i] {
			return p.index
		}
	}
	return first
}

// slate reads a slate; zero if no sink has it as it was logged, which the statement
// tells.
func (m *making) slate(ctx context.Context, p placed) (evidence.Slate, error) {
	o, err := m.object(ctx, p.Entry)
	if err != nil || !o.good {
		return evidence.Slate{}, err
	}
	s, _ := evidence.DecodeSlate(o.bytes, p.Key)
	return s, nil
}

// inForce returns the since of the plan that is in force when the period begins; zero if
// none is.
func (m *making) inForce(ctx context.Context) (since time.Time, err error) {
	var from time.Time
	for _, p := range m.plans {
		at, err := m.effective(ctx, p)
		if err != nil {
			return since, err
		}
		if !at.After(m.From) && !at.Before(from) {
			from, since = at, p.time
		}
	}
	return since, nil
}

// effective returns when a plan came into force: no earlier than the last stamp of a
// ledger without it.
func (m *making) effective(ctx context.Context, p placed) (time.Time, error) {
	i := sort.Search(len(m.marks), func(i int) bool { return m.marks[i].Checkpoint.Size > p.index }) - 1
	i, ok, err := m.stamped(ctx, i, -1)
	if err != nil || !ok {
		return p.time, err
	}
	at := p.time
	for _, s := range m.marks[i].stamps {
		at = period.Later(at, s.Time)
	}
	return at, nil
}

// needed returns the index of the last entry by which the period is settled; all = false
// if something is not.
func (m *making) needed(ctx context.Context, first int64) (last int64, all bool, err error) {
	h, err := m.history(ctx, first)
	if err != nil {
		return 0, false, err
	}
	last = first
	for slot := range h.Expected(m.From.Add(-time.Second), m.Until.Add(-time.Second)) {
		if !m.covers(slot) {
			continue
		}
		at, ok := m.settled[slot]
		if !ok {
			return 0, false, nil
		}
		last = max(last, at)
	}
	for _, s := range m.slates {
		if last = max(last, s.index); !s.time.Before(m.Until.Add(-time.Second)) {
			return last, true, nil
		}
	}
	return 0, false, nil // it is not said yet what falls due until then
}

// history returns the plans from an entry on.
func (m *making) history(ctx context.Context, first int64) (plans.History, error) {
	records, from := make(map[string]evidence.Plan), make(map[string]time.Time)
	for _, p := range m.plans {
		if p.index < first || p.time.After(m.Until) {
			continue
		}
		o, err := m.object(ctx, p.Entry)
		if err != nil {
			return nil, fmt.Errorf("reading a plan: %w", err)
		}
		if from[p.Key], err = m.effective(ctx, p); err != nil {
			return nil, err
		}
		if plan, err := evidence.DecodePlan(o.bytes, p.Key); err == nil && o.good {
			records[p.Key] = plan
		}
	}
	return plans.NewHistory(records, func(key string) time.Time { return from[key] }), nil
}
