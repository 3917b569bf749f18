package archive

import (
	"cmp"
	"math"
	"slices"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/sink"
)

// Part says that a verification reads the reports of a part of the slots, those that fell
// due first, and the next one goes on from there. Records are read all each time.
type Part struct {
	Share float64 // of the slots, in (0, 1]
	Place Place   // where the verification before ended: its [Result].Place
}

// Place is how far verifications have come that read all reports part by part.
type Place struct {
	After evidence.Slot `json:"after,omitzero"` // the last slot whose report was read in this round; zero = a round begins
	Began time.Time     `json:"began,omitzero"` // when this round did
	// Since when every report that the archive had then has been read: when the last
	// round that came to its end began. Zero = none has.
	Since time.Time `json:"since,omitzero"`
	// Slots whose reports are not what they should be. These are read each time, so
	// that the problem stays one until it is none.
	Again []evidence.Slot `json:"again,omitempty"`
}

// part is the part of one verification.
type part struct {
	Part
	began  time.Time // in the clock's seconds
	chosen bool
	last   bool          // it goes on to the end
	until  evidence.Slot // otherwise to this one
}

// begin begins a part; without one, everything is read at once.
func (p *Part) begin() *part {
	began := time.Now().UTC().Truncate(time.Second)
	if p == nil {
		return &part{began: began}
	}
	return &part{Part: *p, began: began}
}

// whole reports whether it is everything.
func (p *part) whole() bool { return p.Share == 0 }

// byDue orders slots as they fell due.
func byDue(a, b evidence.Slot) int {
	return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Pack, b.Pack))
}

// choose chooses the part by the slots of the first sink that has any, which are given by
// their folders. The other sinks' follow.
func (p *part) choose(slots map[string][]sink.Entry) {
	if p.whole() || p.chosen || len(slots) == 0 {
		return
	}
	var left []evidence.Slot
	for _, entries := range slots {
		if s, _, ok := evidence.ParseKey(entries[0].Key); ok && p.follows(s) {
			left = append(left, s)
		}
	}
	n := int(math.Ceil(p.Share * float64(len(slots))))
	if p.chosen, p.last = true, n >= len(left); !p.last {
		slices.SortFunc(left, byDue)
		p.until = left[n-1]
	}
}

// follows reports whether a slot comes after the last part.
func (p *part) follows(s evidence.Slot) bool {
	return p.Place.After == (evidence.Slot{}) || byDue(s, p.Place.After) > 0
}

// has reports whether a slot's report is to be read.
func (p *part) has(s evidence.Slot) bool {
	return slices.Contains(p.Place.Again, s) || p.chosen && p.follows(s) && (p.last || byDue(s, p.until) <= 0)
}

// end returns where the next part begins.
func (p *part) end(problems []Problem) (next Place) {
	next = Place{After: p.Place.After, Began: p.Place.Began, Since: p.Place.Since}
	if next.Began.IsZero() {
		next.Began = p.began
	}
	switch {
	case p.whole() || p.last:
		next = Place{Since: next.Began}
	case p.chosen:
		next.After = p.until
	}
	for _, problem := range problems {
		if s, _, ok := evidence.ParseKey(problem.Key); ok && problem.Kind == Altered && !slices.Contains(next.Again, s) {
			next.Again = append(next.Again, s)
		}
	}
	return next
}
