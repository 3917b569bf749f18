package queue

import (
	"context"
	"iter"
	"slices"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/scheduler/replica"
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
	evidence.Slot
	Deadline  time.Time `json:"deadline"`
	Published time.Time `json:"published"`
	State     State     `json:"state"`
	Member    string    `json:"member,omitempty"`    // the replica that works on it, or had it last
	Since     time.Time `json:"since,omitzero"`      // at work since
	Delivered int       `json:"delivered,omitempty"` // how often it was handed out; 0 = not yet, or no live replica knows
	NextTry   time.Time `json:"next_try,omitzero"`
	Trouble   string    `json:"trouble,omitempty"` // why the last attempt failed
	Paused    *Pause    `json:"paused,omitempty"`
}

// Selection says what is listed.
type Selection struct {
	Source string          // of this source and its member accounts only; empty = of all
	Packs  []evidence.Slot // of these packs only, whatever their due; none = of all
	Limit  int             // so many slots at most; 0 = all
}

// Listing is what the queue holds at a moment.
type Listing struct {
	Members []replica.Member
	Pauses  []Pause
	Counts  map[State]int // of everything that was selected, listed or not
	// Slots yields the slots: those at work first, each state by source and pack.
	Slots iter.Seq2[Listed, error]
}

// List lists the queue: what the stream keeps, and what each replica says that it
// works on. It takes some bytes per slot and a few requests, however many slots
// there are; only what is listed is read in full, in batches.
func (c *common) List(ctx context.Context, sel Selection) (*Listing, error) {
	subjects, err := c.stream.subjects(ctx, "*")
	if err != nil {
		return nil, err
	}
	packs := make(map[string]bool)
	for _, p := range sel.Packs {
		packs[c.stream.prefix.subject(p.Source, p.Pack)] = true
	}
	subjects = slices.DeleteFunc(subjects, func(s string) bool {
		return len(packs) > 0 && !packs[s] || sel.Source != "" && !evidence.Within(c.stream.prefix.source(s), sel.Source)
	})
	claims, members := gatherClaims(ctx, c.group, c.stream.prefix)
	byState := make(map[State][]string)
	for _, s := range subjects {
		state := c.state(s, claims[s])
		byState[state] = append(byState[state], s)
	}
	l := &Listing{Members: members, Pauses: c.Pauses(), Counts: make(map[State]int)}
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
		for s, err := range c.stream.read(ctx, listed) {
			if err != nil {
				yield(Listed{}, err)
				return
			}
			if !yield(c.listed(s, claims[s.subject], now), nil) {
				return
			}
		}
	}
	return l, nil
}

// state returns where the slot kept under subject stands.
func (c *common) state(subject string, known claim) State {
	_, paused := c.pauses.of(subject)
	switch {
	case known.Working:
		return Working
	case paused:
		return Paused
	case known.Again > 0 && !known.Held:
		return Retrying
	}
	return Waiting
}

// listed puts together what is known of a slot.
func (c *common) listed(s stored, known claim, now time.Time) Listed {
	if !known.Due.Equal(s.Due) {
		known = claim{} // of an earlier one
	}
	l := Listed{
		Slot: s.Slot, Deadline: s.Deadline, Published: s.published.UTC(), State: c.state(s.subject, known),
		Member: known.Member, Delivered: known.Delivered,
	}
	if p, ok := c.pauses.of(s.subject); ok {
		l.Paused = &p
	}
	switch l.State {
	case Working:
		l.Since = now.Add(-known.For).UTC()
	case Retrying:
		l.NextTry = now.Add(known.Again).UTC()
	}
	if known.Delivered > 1 || !known.Working {
		l.Trouble = known.Trouble
	}
	return l
}
