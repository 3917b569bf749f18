package archive

import (
	"context"
	"slices"
	"time"

	"packseal.example/internal/fault"
)

// remembered is how many of a pack's latest slots are known by their due times,
// so that none counts twice, whoever tells of it.
const remembered = 64

// tally is a pack's status on its way from nothing known to what the sinks
// hold. Slots can end while the sinks are being listed: those are kept, so
// that each is counted once when the list is there.
type tally struct {
	Status
	loaded  bool
	early   []Record             // until loaded
	reasons map[fault.Reason]int // of the gaps that are counted
	known   []time.Time          // due times of the latest slots that are counted, in order
	stale   bool                 // the sinks hold something else than what is counted
}

// settled counts a slot that this archiver has just ended, and announces it.
func (a *Archive) settled(r Record) {
	a.metrics.late(r)
	a.count(r, true)
	if a.Announce != nil {
		st := a.Status(r.Source, r.Pack)
		a.Announce(News{r, st.Sealed, st.Gaps})
	}
}

// News is a slot that a replica has ended, and how many of the pack's slots it
// counts by then.
type News struct {
	Record
	Sealed int `json:"sealed_slots"`
	Gaps   int `json:"gap_slots"`
}

// Heard counts a slot that another replica has ended. It may be heard late,
// again or not at all: who has missed something counts less than the others,
// and is [Archive.Stale].
func (a *Archive) Heard(n News) {
	if n.State != Sealed && n.State != Gapped {
		return // of a replica that knows a third end
	}
	a.count(n.Record, false)
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.status[packID{n.Source, n.Pack}]; t != nil && (t.Sealed < n.Sealed || t.Gaps < n.Gaps) {
		t.stale = true
	}
}

// count counts a slot of a configured pack, unless it is counted already, and
// tells of it.
func (a *Archive) count(r Record, here bool) {
	if a.counted(r, here) {
		a.tell(r)
	}
}

// counted counts the slot, and reports whether it did.
func (a *Archive) counted(r Record, here bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.status[packID{r.Source, r.Pack}]
	if t == nil || !t.note(r, here) {
		return false
	}
	if t.add(r); !t.loaded {
		t.early = append(t.early, r)
	}
	a.metrics.settled(r, t.Status)
	return true
}

// note remembers a slot, and reports whether it is to be counted. One that ends
// here can be known already: the sinks were read a moment before. One that is
// too old to tell makes the tally stale, and so does evidence for what was a gap.
func (t *tally) note(r Record, here bool) bool {
	i, there := slices.BinarySearchFunc(t.known, r.Due, time.Time.Compare)
	old := i == 0 && !there && len(t.known) == remembered
	evidence := there && r.State == Sealed && r.Due.Equal(t.LastGap.Due)
	if old || evidence {
		t.stale = true
	}
	if old || there {
		return here && (old || evidence)
	}
	t.known = slices.Insert(t.known, i, r.Due)
	t.known = t.known[max(0, len(t.known)-remembered):]
	return true
}

// add counts a record.
func (t *tally) add(r Record) {
	if t.reasons == nil {
		t.reasons = make(map[fault.Reason]int)
	}
	last, n := &t.LastSealed, &t.Sealed
	if r.State == Gapped {
		last, n = &t.LastGap, &t.Gaps
		t.reasons[r.Reason]++
	}
	*n++
	if r.Due.After(last.Due) {
		*last = r
	}
}

// Stale reports whether a pack's status is known to differ from what the sinks
// hold, or does not know of the slot that fell due then, although it was read.
func (a *Archive) Stale(source, pack string, due time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.status[packID{source, pack}]
	return t != nil && t.loaded && (t.stale || t.LastSealed.Due.Before(due) && t.LastGap.Due.Before(due))
}

// Refresh makes a pack's status and metrics what the sinks hold by now, for
// slots that others settled and nobody told of. Counters only rise: where
// evidence has taken a gap's place, they are right after the next start.
func (a *Archive) Refresh(ctx context.Context, source, pack string) error {
	a.mu.Lock()
	t := a.status[packID{source, pack}]
	if t == nil || !t.loaded {
		a.mu.Unlock()
		return nil // at the start the scheduler sees to it
	}
	t.loaded, t.early = false, nil
	a.mu.Unlock()
	_, err := a.History(ctx, source, pack)
	if err != nil {
		a.mu.Lock()
		t.loaded = true
		a.mu.Unlock()
	}
	return err
}
