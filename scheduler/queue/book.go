package queue

import (
	"sync"
	"time"

	"packseal.example/scheduler"
)

// book is what this replica knows of slots beyond what the store keeps: which
// it works on, and which it has put back until when. It is in memory alone: to
// write it down for each slot would cost more than the slot itself, and what a
// replica that is gone knew is no longer true.
type book struct {
	prefix  prefix
	trouble func(source, pack string) string

	mu    sync.Mutex
	slots map[string]*note // by subject, so it is bounded by the packs that are configured
}

// note is what is known of one slot.
type note struct {
	scheduler.Slot
	delivered int       // how often it was handed out, but for
	held      int       // how often it was put back because of a pause
	since     time.Time // at work since then; zero = not at work
	again     time.Time // put back until then
	reply     string    // where the engine takes another answer to the same; empty = none is wanted
}

// stale is after how long a slot that was put back is forgotten when it does
// not come to us again: another replica got it.
const stale = time.Hour

// begin notes that work on a slot begins; what it returns, how that ended.
func (b *book) begin(t scheduler.Task) (end func(again time.Duration)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.of(t)
	n.since, n.delivered, n.reply = time.Now(), t.Delivered, ""
	return func(again time.Duration) {
		b.mu.Lock()
		defer b.mu.Unlock()
		n.since, n.again = time.Time{}, time.Now().Add(again)
		if subject := b.prefix.subject(t.Source, t.Pack); again <= 0 && b.slots[subject] == n {
			delete(b.slots, subject)
		}
	}
}

// hold notes that a slot is put back because it is paused.
func (b *book) hold(t scheduler.Task, reply string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.of(t)
	n.held++
	n.since, n.again, n.delivered, n.reply = time.Time{}, time.Now().Add(holdFor), max(0, t.Delivered-n.held), reply
}

// of returns the note of the slot, a new one if need be.
func (b *book) of(t scheduler.Task) *note {
	subject := b.prefix.subject(t.Source, t.Pack)
	n := b.slots[subject]
	if n == nil || !n.Due.Equal(t.Due) {
		n = &note{Slot: t.Slot}
		b.slots[subject] = n
	}
	return n
}

// held returns how often this replica has put the slot back because of a pause.
func (b *book) held(t scheduler.Task) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.slots[b.prefix.subject(t.Source, t.Pack)]; n != nil && n.Due.Equal(t.Due) {
		return n.held
	}
	return 0
}

// release returns where to ask again for the held slots that are not paused
// any more, once for each.
func (b *book) release(paused func(subject string) bool) (replies []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for subject, n := range b.slots {
		if n.reply != "" && !paused(subject) {
			replies = append(replies, n.reply)
			n.reply, n.again = "", time.Now()
		}
	}
	return replies
}

// claim is what a replica says of a slot. Times are spans, because the clocks
// of replicas may differ.
type claim struct {
	scheduler.Slot
	Member    string        `json:"-"`
	Working   bool          `json:"working,omitempty"`
	For       time.Duration `json:"for,omitempty"`   // at work for so long
	Again     time.Duration `json:"again,omitempty"` // handed out again in so long
	Held      bool          `json:"held,omitempty"`  // put back because it is paused
	Delivered int           `json:"delivered"`       // but for a pause's sake
	Trouble   string        `json:"trouble,omitempty"`
}

// claims returns what this replica has to say, and forgets what is stale.
func (b *book) claims() []claim {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	claims := make([]claim, 0, len(b.slots))
	for subject, n := range b.slots {
		working := !n.since.IsZero()
		if !working && now.Sub(n.again) > stale {
			delete(b.slots, subject)
			continue
		}
		c := claim{Slot: n.Slot, Working: working, Held: n.reply != "", Delivered: n.delivered, Trouble: b.trouble(n.Source, n.Pack)}
		if working {
			c.For = now.Sub(n.since)
		} else {
			c.Again = n.again.Sub(now)
		}
		if len(c.Trouble) > longestTrouble {
			c.Trouble = c.Trouble[:longestTrouble] + "…"
		}
		claims = append(claims, c)
	}
	return claims
}

// longestTrouble bounds what is said of one slot's trouble, in bytes.
const longestTrouble = 500
