package queue

import (
	"context"
	"iter"
	"slices"
	"time"

	"packseal.example/scheduler"
)

// State is where a slot in the queue stands.
type State string

// The states, in the order in which slots are listed.
const (
	Working  State = "working"  // a replica works on it
	Retrying State = "retrying" // it was put back, and waits for its next try
	Paused   State = "paused"   // it waits for its pack or source to be resumed
	Waiting  State = "waiting"  // it waits for a free worker
)

// States lists the states in that order.
func States() []State { return []State{Working, Retrying, Paused, Waiting} }

// Listed is a slot in the queue.
type Listed struct {
	scheduler.Slot
	Deadline  time.Time `json:"deadline"`
	Published time.Time `json:"published"`
	State     State     `json:"state"`
	Member    string    `json:"member,omitempty"`    // the replica that works on it, or had it last
	Since     time.Time `json:"since,omitzero"`      // at work since
	Delivered int       `json:"delivered,omitempty"` // how often it was handed out; 0 = not yet, or nobody who is here knows
	NextTry   time.Time `json:"next_try,omitzero"`
	Trouble   string    `json:"trouble,omitempty"` // what the last try met
	Paused    *Pause    `json:"paused,omitempty"`
}

// Selection says what is listed.
type Selection struct {
	Source string           // of this source only; empty = of all
	Packs  []scheduler.Slot // of these packs only, whatever their due; none = of all
	Limit  int              // so many slots at most; 0 = all
}

// Listing is what the queue holds at a moment.
type Listing struct {
	Members []Member
	Pauses  []Pause
	Counts  map[State]int // of everything that was selected, listed or not
	// Slots yields the slots: those at work first, each state by source and pack.
	Slots iter.Seq2[Listed, error]
}

// List looks what is in the queue, and asks each replica what it has in its
// hands. It takes some bytes a slot and a few requests, however many slots
// there are; only of those that are listed the rest is read, in batches.
func (q *JetStream) List(ctx context.Context, sel Selection) (*Listing, error) {
	subjects, err := q.engine.subjects(ctx, sel.Source)
	if err != nil {
		return nil, err
	}
	if len(sel.Packs) > 0 {
		wanted := make(map[string]bool)
		for _, p := range sel.Packs {
			wanted[q.engine.prefix.subject(p.Source, p.Pack)] = true
		}
		subjects = slices.DeleteFunc(subjects, func(s string) bool { return !wanted[s] })
	}
	claims, members := q.ask(ctx)
	byState := make(map[State][]string)
	for _, s := range subjects {
		state := q.state(s, claims[s])
		byState[state] = append(byState[state], s)
	}
	l := &Listing{Members: members, Pauses: q.Pauses(), Counts: make(map[State]int)}
	listed := make([]string, 0, len(subjects))
	for _, state := range States() {
		l.Counts[state] = len(byState[state])
		listed = append(listed, byState[state]...)
	}
	if sel.Limit > 0 && len(listed) > sel.Limit {
		listed = listed[:sel.Limit]
	}
	now := time.Now()
	l.Slots = func(yield func(Listed, error) bool) {
		for s, err := range q.engine.read(ctx, listed) {
			if err != nil {
				yield(Listed{}, err)
				return
			}
			if !yield(q.listed(s, claims[s.subject], now), nil) {
				return
			}
		}
	}
	return l, nil
}

// state tells where the slot kept under subject stands.
func (q *JetStream) state(subject string, c claim) State {
	_, paused := q.pauses.of(subject)
	switch {
	case c.Working:
		return Working
	case paused:
		return Paused
	case c.Again > 0 && !c.Held:
		return Retrying
	}
	return Waiting
}

// listed puts together what is known of a slot.
func (q *JetStream) listed(s stored, c claim, now time.Time) Listed {
	if !c.Due.Equal(s.Due) {
		c = claim{} // of an earlier one
	}
	l := Listed{
		Slot: s.Slot, Deadline: s.Deadline, Published: s.published.UTC(), State: q.state(s.subject, c),
		Member: c.Member, Delivered: c.Delivered,
	}
	if p, ok := q.pauses.of(s.subject); ok {
		l.Paused = &p
	}
	switch l.State {
	case Working:
		l.Since = now.Add(-c.For).UTC()
	case Retrying:
		l.NextTry = now.Add(c.Again).UTC()
	}
	if c.Delivered > 1 || !c.Working {
		l.Trouble = c.Trouble
	}
	return l
}
