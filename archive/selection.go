package archive

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Selection says what [Archive.Verify] reads. The zero one is for everything.
type Selection struct {
	Packs  []Span   // none = all, and what belongs to no slot
	Sinks  []string // by name; none = all
	Sample float64  // the share of reports that are read, each time others; 0 and 1 = all. Records are read in any case.

	Part    *Part    // nil = all reports are read at once, or a sample
	Reports []string // the sinks whose reports are read, by name; none = all that are selected

	// Progress is told after each slot. It must not block. May be nil.
	Progress func(Progress)
}

// Span is a pack and a period: its slots that are due in [From, To); a zero time
// is open.
type Span struct {
	evidence.PackRef
	From, To time.Time
}

// has reports whether a slot is in the span.
func (s Span) has(of evidence.Slot) bool {
	return of.Ref() == s.PackRef && !of.Due.Before(s.From) && (s.To.IsZero() || of.Due.Before(s.To))
}

// list yields the objects of the span's pack in a sink, from the span's begin on and
// beyond its end.
func (s Span) list(ctx context.Context, t Target) iter.Seq2[sink.Entry, error] {
	after := ""
	if !s.From.IsZero() {
		after = s.Slot(s.From).Dir() // before all that is in it
	}
	return t.List(ctx, evidence.PackDir(s.Source, s.Key()), after)
}

// Progress is how far [Archive.Verify] has come.
type Progress struct {
	Sink     string // that is being read
	Done, Of int    // slots of that sink
	Bytes    int64  // of reports, over all sinks
}

// Whole reports whether everything is selected, so that the result is one of the
// whole archive.
func (s Selection) Whole() bool {
	return len(s.Packs) == 0 && len(s.Sinks) == 0 && len(s.Reports) == 0 && s.Part == nil && !s.samples()
}

func (s Selection) samples() bool { return s.Sample > 0 && s.Sample < 1 }

// has reports whether a slot is selected.
func (s Selection) has(of evidence.Slot) bool {
	return len(s.Packs) == 0 || slices.ContainsFunc(s.Packs, func(p Span) bool { return p.has(of) })
}

// Targets returns the selected sinks. An unknown name is fault.Request.
func (s Selection) Targets(all []Target) (chosen []Target, err error) {
	for _, name := range slices.Concat(s.Sinks, s.Reports) {
		if !slices.ContainsFunc(all, func(t Target) bool { return t.Name == name }) {
			return nil, fault.New(fault.Request, "there is no sink %.100q", name)
		}
	}
	for _, t := range all {
		if len(s.Sinks) == 0 || slices.Contains(s.Sinks, t.Name) {
			chosen = append(chosen, t)
		}
	}
	return chosen, nil
}

// entries yields the selected objects of a sink, and its plans.
func (s Selection) entries(ctx context.Context, t Target) iter.Seq2[sink.Entry, error] {
	if len(s.Packs) == 0 {
		return t.List(ctx, "", "")
	}
	return func(yield func(sink.Entry, error) bool) {
		for e, err := range t.List(ctx, evidence.PlanDir, "") {
			if !yield(e, err) || err != nil {
				return
			}
		}
		for i, span := range s.Packs {
			if slices.Contains(s.Packs[:i], span) {
				continue
			}
			for e, err := range span.list(ctx, t) {
				if err == nil {
					if of, _, ok := evidence.ParseKey(e.Key); !ok || !span.has(of) {
						continue
					}
				}
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// reads reports whether a slot's report is to be read in a sink.
func (v *verifying) reads(t Target, s evidence.Slot) bool {
	switch {
	case len(v.Reports) > 0 && !slices.Contains(v.Reports, t.Name):
		return false
	case !v.part.whole():
		return v.part.has(s)
	}
	return !v.samples() || rand.Float64() < v.Sample
}
