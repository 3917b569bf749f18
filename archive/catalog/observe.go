package catalog

import (
	"context"
	"time"

	"packseal.example/internal/evidence"
)

// Event is a slot that has ended, as a replica tells of it.
type Event struct {
	evidence.Record
	Local bool `json:"-"` // this process has settled it

	// How many of the pack's slots whoever tells of it counts by then; both are 0
	// while it does not know.
	Sealed int `json:"sealed_slots"`
	Gaps   int `json:"gap_slots"`
}

// Attempt is what becomes of a slot that is at work.
type Attempt struct {
	evidence.Slot
	Working bool   // it is at work
	Trouble string // why its last attempt failed; empty = nothing is wrong
}

// Attempt takes up what a slot at work has come to.
func (c *Catalog) Attempt(a Attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.packs[name{a.Source, a.Pack}]; p != nil {
		p.working, p.trouble = a.Working, a.Trouble
	}
}

// Observe takes up a slot of a watched pack that has ended. It counts once,
// whoever tells of it and how often; a sealed slot takes the place of its gap.
// An event may come late or not at all: who has missed one counts less than the
// others, and is [Catalog.Behind].
func (c *Catalog) Observe(e Event) {
	if e.State != evidence.Sealed && e.State != evidence.Gapped {
		return // of a newer replica, which knows a third end
	}
	p := c.find(e.Source, e.Pack)
	if p == nil {
		return
	}
	counted := false
	err := c.change(p, func(ctx context.Context, s *store, st *state) (err error) {
		counted, err = s.put(ctx, st, newRow(e.Record))
		return err
	})
	c.mu.Lock()
	if err != nil { // the database is made anew, and counts then
		counted = e.Due.Unix() > p.newest
		if counted {
			p.add(newRow(e.Record))
		}
	}
	p.note(e)
	c.mu.Unlock()
	if counted || e.Local {
		c.tell(p, e.Record, e.Local)
	}
}

// note takes up what an event says beside its slot.
func (p *pack) note(e Event) {
	switch {
	case !e.Local:
		p.toldSealed, p.toldAll = max(p.toldSealed, e.Sealed), max(p.toldAll, e.Sealed+e.Gaps)
	case e.State == evidence.Sealed:
		p.here.sealed++
	default:
		p.here.gaps++
	}
}

// tell tells the observers of a slot.
func (c *Catalog) tell(p *pack, r evidence.Record, local bool) {
	e := Event{Record: r, Local: local}
	c.mu.RLock()
	if p.complete() {
		e.Sealed, e.Gaps = p.sealed, p.gaps
	}
	c.mu.RUnlock()
	for _, observe := range c.opts.Observers {
		observe(e)
	}
}

// Behind reports whether a pack's history lacks slots that another replica
// counts, or the one that fell due then. It is for packs whose history is
// complete: of others, what is lacking will be read in any case.
func (c *Catalog) Behind(source, pack string, due time.Time) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	p := c.packs[name{source, pack}]
	return p != nil && p.complete() && (p.behind() || p.newest < due.Unix())
}

// Refresh asks the archive for the slots of a pack that this catalog may have
// missed: for the newest, which takes one request a sink, and for all of them if
// others count more even then. It does nothing while the history is being read.
func (c *Catalog) Refresh(ctx context.Context, source, pack string) error {
	if p := c.find(source, pack); p != nil {
		return c.history.refresh(ctx, p)
	}
	return nil
}
