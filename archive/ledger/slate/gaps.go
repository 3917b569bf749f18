package slate

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/period"
)

// Span is the time after From, up to Until.
type Span struct{ From, Until time.Time }

// String tells the span.
func (s Span) String() string {
	return fmt.Sprintf("after %s, up to %s", s.From.UTC().Format(time.RFC3339), s.Until.UTC().Format(time.RFC3339))
}

// Window returns the time of which a slate says what falls due.
func Window(s evidence.Slate) Span { return Span{s.From, s.Until} }

// Gaps returns what windows leave out between the first of them and the last, in order.
// They may overlap.
func Gaps(windows []Span) (gaps []Span) {
	windows = slices.SortedFunc(slices.Values(windows), func(a, b Span) int { return a.From.Compare(b.From) })
	for i, w := range windows {
		if i > 0 && w.From.After(windows[i-1].Until) {
			gaps = append(gaps, Span{windows[i-1].Until, w.From})
		}
		if i > 0 && windows[i-1].Until.After(w.Until) {
			windows[i].Until = windows[i-1].Until
		}
	}
	return gaps
}

// Problem is a time of which the ledger does not say what falls due.
type Problem struct {
	Key    string // of the slate that shows it; "" = there is none
	Detail string
}

// Unslated returns the times of which a ledger does not say what falls due: gaps between
// slates, slates that can't be read, and slates that end before now. A ledger without a
// plan promises nothing, and has none; one whose first plan is younger than an hour may
// have its slates on their way.
func Unslated(ctx context.Context, entries iter.Seq2[tree.Entry, error], l Reader, now time.Time) (problems []Problem, err error) {
	var windows []Span
	keys, planned, last := make(map[time.Time]string), now, ""
	for e, err := range entries {
		if err != nil {
			return nil, fmt.Errorf("reading the ledger: %w", err)
		}
		if since, ok := evidence.PlanSince(e.Key); ok {
			planned = period.Earlier(planned, since)
		}
		if e.Kind() != tree.Slate {
			continue
		}
		s, err := read(ctx, l, e)
		switch {
		case err == nil:
			windows = append(windows, Window(s))
			keys[s.From] = e.Key
			last = max(last, e.Key) // they begin with when they end
		case lost(err):
			problems = append(problems, Problem{e.Key, fmt.Sprintf("the slate can't be read: %v", err)})
		default:
			return nil, fmt.Errorf("reading a slate: %w", err)
		}
	}
	for _, gap := range Gaps(windows) {
		problems = append(problems, Problem{keys[gap.Until], fmt.Sprintf("no slate says what fell due %s", gap)})
	}
	switch end, _ := evidence.SlateUntil(last); {
	case last == "" && now.Sub(planned) >= lookMost:
		problems = append(problems, Problem{"", "the ledger has plans, and no slate says what falls due by them"})
	case last != "" && !end.After(now):
		problems = append(problems, Problem{last, fmt.Sprintf("no slate says what falls due after %s", end.Format(time.RFC3339))})
	}
	return problems, nil
}

// Reader reads the records of a ledger.
type Reader interface {
	// ReadRecord returns what an entry is of. The error is fault.NotFound if it is lost.
	ReadRecord(ctx context.Context, e tree.Entry) ([]byte, error)
}

// read reads the slate of an entry.
func read(ctx context.Context, l Reader, e tree.Entry) (s evidence.Slate, err error) {
	raw, err := l.ReadRecord(ctx, e)
	if err != nil {
		return s, err
	}
	return evidence.DecodeSlate(raw, e.Key)
}

// lost reports whether a slate will not be readable later either, as far as this program
// can tell.
func lost(err error) bool { return fault.Of(err) == fault.NotFound || evidence.Unreadable(err) }
