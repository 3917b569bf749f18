package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Kind is a kind of problem: a short, stable word.
type Kind string

// The kinds of problems of a ledger. While there is one of the first two, or a
// rollback that no sink can make good, nothing is signed.
const (
	Forked     Kind = "forked"      // what a key of the ledger signed does not follow from what was signed before
	RolledBack Kind = "rolled_back" // a sink has less than it had
	Void       Kind = "void"        // somebody without a key wrote where batches are
	Altered    Kind = "altered"     // a sink holds other bytes than it should, of what is copied or follows from the batches
	Unreadable Kind = "unreadable"  // a sink has an object and does not give it away; nothing is signed until it does

	ClockOffset Kind = "clock_offset" // this machine's clock differs from a time-stamping authority's
)

// Kinds returns all kinds of problems.
func Kinds() []Kind { return []Kind{Altered, ClockOffset, Forked, RolledBack, Unreadable, Void} }

// Problem is something that is wrong with the ledger.
type Problem struct {
	Kind   Kind   `json:"kind"`
	Sink   string `json:"sink"` // empty for what an authority or a witness says
	Key    string `json:"key"`  // of the object that it is about
	Detail string `json:"detail"`
}

// String tells what is wrong.
func (p Problem) String() string {
	where := p.Key
	if p.Sink != "" {
		where += ", sink " + p.Sink
	}
	return fmt.Sprintf("%s: %s: %s", p.Kind, where, p.Detail)
}

// sorted returns the problems that were found.
func (c *commit) sorted() []Problem {
	return slices.SortedFunc(maps.Keys(c.problems), func(a, b Problem) int { return strings.Compare(a.String(), b.String()) })
}

// maxShown bounds how many problems of a kind in a sink are shown, each by itself.
const maxShown = 16

// sumUp leaves the first problems of each kind in a sink, and sums up the others in one
// more. stands has of how many.
func sumUp(sorted []Problem) (all []Problem, stands map[Problem]int) {
	type group struct {
		kind Kind
		sink string
	}
	seen, last := make(map[group]int), make(map[group]Problem)
	for _, p := range sorted {
		g := group{p.Kind, p.Sink}
		if seen[g]++; seen[g] <= maxShown {
			all = append(all, p)
		} else {
			last[g] = p
		}
	}
	stands = make(map[Problem]int)
	for g, p := range last {
		n := seen[g] - maxShown
		p.Detail = fmt.Sprintf("and %d more of this kind, up to this one", n)
		all, stands[p] = append(all, p), n
	}
	slices.SortStableFunc(all, func(a, b Problem) int { return strings.Compare(string(a.Kind)+a.Sink, string(b.Kind)+b.Sink) })
	return all, stands
}

// Show returns the problem as page, API and commands show it.
func (p Problem) Show() evidence.LedgerProblem {
	return evidence.LedgerProblem{Kind: string(p.Kind), Sink: p.Sink, Key: p.Key, Detail: p.Detail}
}

// refusal is an error for a problem for which nothing is signed.
func (p Problem) refusal() error {
	return fault.New(fault.Conflict, "nothing is signed: %s", p).WithHint("see docs/ledger.md#%s", strings.ReplaceAll(string(p.Kind), "_", "-"))
}

// Status is how the ledger is, as this replica knows.
type Status struct {
	Checkpoint tree.Checkpoint
	Batches    int64        // numbers that are used up
	Committed  time.Time    // when the ledger was last followed to its end here
	Owed       int          // entries that it does not have yet
	Waits      Waits        // of them, those that it can't have yet
	Problems   []Problem    // that the last Commit found; of many of one kind in a sink the last says how many more
	Found      map[Kind]int // how many this process has found, each once while it lasts
	Err        error        // of the last Commit
}

// Status returns how the ledger is. Before the first Commit it is as state says.
func (l *Ledger) Status() Status {
	l.show.Lock()
	defer l.show.Unlock()
	s := l.status
	s.Found = maps.Clone(s.Found)
	if entries, err := l.owed.all(); err == nil {
		s.Owed = len(entries)
	}
	return s
}

// report logs and shows how a commit went.
func (l *Ledger) report(ctx context.Context, c *commit, err error) {
	l.show.Lock()
	defer l.show.Unlock()
	before := l.status.Problems
	s := &l.status
	all, stands := sumUp(c.sorted())
	s.Problems = all
	for _, p := range all {
		if !slices.Contains(before, p) {
			s.Found[p.Kind] += max(1, stands[p])
			l.Logger.ErrorContext(ctx, "ledger problem", "problem", p.Kind, "sink", p.Sink, "key", p.Key, "detail", p.Detail)
		}
	}
	first := s.Committed.IsZero()
	if s.Err = err; err == nil {
		s.Committed = time.Now()
	}
	if l.tip != nil {
		if l.tip.head.Batches != s.Batches || first && err == nil {
			close(l.changed)
			l.changed = make(chan struct{})
		}
		s.Checkpoint, s.Batches = l.tip.head.Checkpoint(), l.tip.head.Batches
	}
}

// Show returns the status as page, API and commands show it.
func (l *Ledger) Show() evidence.LedgerStatus {
	s := l.Status()
	shown := evidence.LedgerStatus{
		Origin: l.Origin, Size: s.Checkpoint.Size, Batches: s.Batches, Owed: s.Owed, Keys: l.Keys.Verifiers(), Problems: []evidence.LedgerProblem{},
		Stamps: []evidence.LedgerAnchor{}, Witnesses: []evidence.LedgerAnchor{},
	}
	if !s.Committed.IsZero() {
		shown.Committed = s.Committed.UTC().Truncate(time.Second)
	}
	if w := s.Waits; w.Count > 0 {
		shown.Waits = &evidence.LedgerWaits{Count: w.Count, Since: w.Since.UTC().Truncate(time.Second), Key: w.Key}
	}
	if s.Checkpoint.Size > 0 {
		shown.Root, shown.Line = s.Checkpoint.Root.String(), "ledger "+s.Checkpoint.String()
	}
	for _, p := range s.Problems {
		shown.Problems = append(shown.Problems, p.Show())
	}
	if s.Err != nil {
		shown.Error, shown.Hint = s.Err.Error(), fault.Hint(s.Err)
	}
	return shown
}
