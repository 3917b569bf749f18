package queue

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/scheduler"
	"packseal.example/scheduler/replica"
)

// inflight is what this replica knows of slots beyond what the stream keeps:
// which it works on, and which it has put back until when. It is in memory only:
// writing it down would cost more than the slot itself, and what a replica that
// is gone knew is no longer true.
type inflight struct {
	prefix  prefix
	trouble func(source, pack string) string

	mu      sync.Mutex
	entries map[string]*entry // by subject, so it is bounded by the number of packs
}

// entry is what is known of one slot.
type entry struct {
	evidence.Slot
	delivered int       // how often it was handed out, without deferred
	deferred  int       // how often it was put back because of a pause
	since     time.Time // at work since then; zero = not at work
	again     time.Time // put back until then
	reply     string    // where the server takes a second answer to the same delivery; empty = none is wanted
}

const (
	// staleAfter is how long after its time a slot that was put back is
	// forgotten: another replica got it.
	staleAfter = time.Hour

	// deferDelay is for how long a paused slot that was handed out is put back.
	// It returns at once on resume, through the replica that put it back; only
	// if that one is gone does it take so long.
	deferDelay = time.Minute

	// maxTrouble bounds what is said of one slot's trouble, in bytes.
	maxTrouble = 500
)

func newInflight(p prefix, trouble func(source, pack string) string) *inflight {
	if trouble == nil {
		trouble = func(string, string) string { return "" }
	}
	return &inflight{prefix: p, trouble: trouble, entries: make(map[string]*entry)}
}

// begin records that work on a slot begins; the result records how it ended.
func (f *inflight) begin(t scheduler.Task) (end func(again time.Duration)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.entry(t)
	e.since, e.delivered, e.reply = time.Now(), t.Delivered, ""
	return func(again time.Duration) {
		f.mu.Lock()
		defer f.mu.Unlock()
		e.since, e.again = time.Time{}, time.Now().Add(again)
		if subject := f.prefix.subject(t.Source, t.Pack); again <= 0 && f.entries[subject] == e {
			delete(f.entries, subject)
		}
	}
}

// deferUntilResume records that a slot was put back because it is paused.
func (f *inflight) deferUntilResume(t scheduler.Task, reply string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.entry(t)
	e.deferred++
	e.since, e.again, e.delivered, e.reply = time.Time{}, time.Now().Add(deferDelay), max(0, t.Delivered-e.deferred), reply
}

// entry returns the slot's entry, a new one if need be.
func (f *inflight) entry(t scheduler.Task) *entry {
	subject := f.prefix.subject(t.Source, t.Pack)
	e := f.entries[subject]
	if e == nil || !e.Due.Equal(t.Due) {
		e = &entry{Slot: t.Slot}
		f.entries[subject] = e
	}
	return e
}

// deferrals returns how often this replica has put the slot back because of a
// pause.
func (f *inflight) deferrals(t scheduler.Task) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.entries[f.prefix.subject(t.Source, t.Pack)]; e != nil && e.Due.Equal(t.Due) {
		return e.deferred
	}
	return 0
}

// resumed returns where to ask again for the deferred slots that are no longer
// paused, once for each.
func (f *inflight) resumed(paused func(subject string) (Pause, bool)) (replies []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for subject, e := range f.entries {
		if _, is := paused(subject); e.reply != "" && !is {
			replies = append(replies, e.reply)
			e.reply, e.again = "", time.Now()
		}
	}
	return replies
}

// claims returns what this replica tells others, each a [claim], and forgets
// what is stale.
func (f *inflight) claims() []json.RawMessage {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	claims := make([]json.RawMessage, 0, len(f.entries))
	for subject, e := range f.entries {
		working := !e.since.IsZero()
		if !working && now.Sub(e.again) > staleAfter {
			delete(f.entries, subject)
			continue
		}
		c := claim{Slot: e.Slot, Working: working, Held: e.reply != "", Delivered: e.delivered, Trouble: f.trouble(e.Source, e.Pack)}
		if working {
			c.For = now.Sub(e.since)
		} else {
			c.Again = e.again.Sub(now)
		}
		if len(c.Trouble) > maxTrouble {
			c.Trouble = c.Trouble[:maxTrouble] + "…"
		}
		if item, err := json.Marshal(c); err == nil { // it has nothing that JSON cannot say
			claims = append(claims, item)
		}
	}
	return claims
}

// claim is what a replica knows of a slot beyond what the stream keeps. Times
// are durations, because the clocks of replicas may differ.
type claim struct {
	evidence.Slot
	Member    string        `json:"-"`
	Working   bool          `json:"working,omitempty"`
	For       time.Duration `json:"for,omitempty"`   // at work for so long
	Again     time.Duration `json:"again,omitempty"` // handed out again in so long
	Held      bool          `json:"held,omitempty"`  // put back because it is paused
	Delivered int           `json:"delivered"`       // not counting deliveries that were put back because of a pause
	Trouble   string        `json:"trouble,omitempty"`
}

// supersedes reports whether c is the word on a pack rather than d: of the later
// slot; of the same slot at work; of the one who had it last.
func (c claim) supersedes(d claim) bool {
	return c.Due.After(d.Due) || c.Due.Equal(d.Due) && !d.Working && (c.Working || c.Delivered > d.Delivered)
}

// gatherClaims returns what all replicas claim, by subject, and who they are.
func gatherClaims(ctx context.Context, g *replica.Group, p prefix) (map[string]claim, []replica.Member) {
	claims := make(map[string]claim)
	members := g.Gather(ctx, func(member string, items []json.RawMessage) {
		for _, item := range items {
			var c claim
			if json.Unmarshal(item, &c) != nil {
				continue
			}
			c.Member = member
			subject := p.subject(c.Source, c.Pack)
			if known, ok := claims[subject]; !ok || c.supersedes(known) {
				claims[subject] = c
			}
		}
	})
	return claims, members
}
