package audit

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"packseal.example/internal/period"
)

// Stamp is a token that was checked: an authority says that it saw the checkpoint of
// that size then.
type Stamp struct {
	Size int64
	Time time.Time
	Name string // the authority's
}

// bounds tells between which times entries came into the ledger, by its stamps.
type bounds struct {
	sizes  []int64     // of stamped checkpoints, ascending
	after  []time.Time // the latest stamp of that size or a smaller one
	before []time.Time // the earliest stamp of that size or a larger one
}

func newBounds(stamps []Stamp) (b bounds) {
	stamps = slices.SortedFunc(slices.Values(stamps), func(x, y Stamp) int { return cmp.Compare(x.Size, y.Size) })
	for _, s := range stamps {
		n := len(b.sizes)
		switch {
		case n > 0 && b.sizes[n-1] == s.Size:
			b.after[n-1], b.before[n-1] = period.Later(b.after[n-1], s.Time), period.Earlier(b.before[n-1], s.Time)
		case n > 0:
			b.sizes, b.after, b.before = append(b.sizes, s.Size), append(b.after, period.Later(b.after[n-1], s.Time)), append(b.before, s.Time)
		default:
			b.sizes, b.after, b.before = []int64{s.Size}, []time.Time{s.Time}, []time.Time{s.Time}
		}
	}
	for i := len(b.before) - 2; i >= 0; i-- {
		b.before[i] = period.Earlier(b.before[i], b.before[i+1])
	}
	return b
}

// of returns the last stamp of a tree without the entry, and the first of one with
// it; zero times where there is none.
func (b bounds) of(index int64) (without, with time.Time) {
	i := sort.Search(len(b.sizes), func(i int) bool { return b.sizes[i] > index })
	if i > 0 {
		without = b.after[i-1]
	}
	if i < len(b.sizes) {
		with = b.before[i]
	}
	return without, with
}

// last returns the time of the last stamp; zero if there is none.
func (b bounds) last() (t time.Time) {
	if n := len(b.after); n > 0 {
		t = b.after[n-1]
	}
	return t
}

// tell returns what a statement says of the stamps.
func tell(stamps []Stamp, from, until time.Time) Stamps {
	s := Stamps{Count: len(stamps), Names: []string{}}
	times := []time.Time{}
	for _, stamp := range stamps {
		times = append(times, stamp.Time)
		if !slices.Contains(s.Names, stamp.Name) {
			s.Names = append(s.Names, stamp.Name)
		}
	}
	slices.Sort(s.Names)
	slices.SortFunc(times, time.Time.Compare)
	if n := len(times); n == 0 || times[0].After(from) {
		times = slices.Insert(times, 0, from)
	}
	if last := times[len(times)-1]; last.Before(until) {
		times = append(times, until)
	}
	for i := range len(times) - 1 {
		if times[i].Before(until) && times[i+1].After(from) {
			s.Longest = max(s.Longest, int64(times[i+1].Sub(times[i])/time.Second))
		}
	}
	return s
}
