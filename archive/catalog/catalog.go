// Package catalog knows which slots of each pack are settled, and with what, so
// that start, scheduler, page and metrics need not ask the sinks.
//
// Everything in it is derived from the archive, which stays the truth. It lives
// in a SQLite file in the state folder; when the file is gone, damaged or of
// another version, or its disk fails while the daemon runs, it is made anew, and
// sealing goes on meanwhile.
//
// # How it follows the archive
//
//	events     of slots that end here or in another replica: counted at once
//	start      one List a sink and pack, from some hundred slots before the newest known
//	history    of a pack that was never listed: in the background, one year at a
//	           time, the newest year of every pack first
//
// A listing tells which slots are sealed and which are gaps. Their records are
// read when somebody wants them: those of gaps, and of each pack's latest sealed
// slot, in the background after the listing; those of other sealed slots when a
// query asks for them. Each is read once and kept. So the history of 985,500
// sealed slots costs some 2,000 requests, and a page of a hundred old ones at
// most a hundred more, the first time.
//
// What a listing of all sinks does not show any more, though it was seen there,
// is looked for by its key; if it is gone, it no longer counts, and is
// remembered for [Catalog.Seen].
package catalog

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Options are what a Catalog needs. Required fields are marked.
type Options struct {
	File   string       // required: the database
	Logger *slog.Logger // required

	// Observers are told of each slot that is counted for the first time, whoever
	// tells of it, and of each that this process settles. Of what is read from the
	// archive, and from the database at the start, they are told of gaps and of
	// the pack's latest sealed slot, in the order of their due times: perhaps
	// again. They are called outside of locks and must not block.
	Observers []func(Event)
}

// Catalog knows the settled slots of packs. Its methods may be called from many
// goroutines.
type Catalog struct {
	opts    Options
	history *history

	changing sync.Mutex // held by whoever changes what is known, from reading it to its commit

	mu      sync.RWMutex
	store   *store // nil while it is made anew
	archive Archive
	packs   map[name]*pack
	byID    map[int64]*pack
	watched []*pack // by name
}

// name names a pack.
type name struct{ source, key string }

// Open opens the catalog in a file, which is made if there is none, and replaced
// if it can't be read. A file that another process has open is fault.Busy, and a
// folder that can't be written to fault.Unavailable. Should the disk fail beyond
// that, Run makes the file.
func Open(o Options) (*Catalog, error) {
	if o.File == "" || o.Logger == nil {
		return nil, errors.New("catalog: File and Logger are required")
	}
	d, err := newDatabase(o.File)
	if err != nil {
		return nil, err
	}
	c := &Catalog{opts: o, store: &store{database: d}, packs: make(map[name]*pack), byID: make(map[int64]*pack)}
	c.history = newHistory(c)
	if err = c.store.open(o.Logger); err == nil {
		err = c.load(c.store)
	}
	if err != nil {
		o.Logger.Warn("database replaced", "file", o.File, "err", err)
		failed := c.store
		if c.store, err = failed.renew(o.Logger); err != nil {
			c.store = failed
			c.fail(failed, err)
		}
	}
	return c, nil
}

// load reads the packs.
func (c *Catalog) load(s *store) error {
	packs, byID := make(map[name]*pack), make(map[int64]*pack)
	err := s.packs(context.Background(), func(source, key string, st state) {
		p := newPack(source, key)
		p.state = st
		packs[name{source, key}], byID[st.id] = p, p
	})
	if err == nil {
		c.packs, c.byID = packs, byID
	}
	return err
}

// Close closes the database. Nothing else may be called after it.
func (c *Catalog) Close() error {
	c.changing.Lock()
	defer c.changing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.store
	c.store = nil
	select {
	case s = <-c.history.broken:
	default:
	}
	if s == nil {
		return nil
	}
	return s.close()
}

// Watch makes packs those that the catalog knows of, and a that from which it
// knows. It may be called at any time, before and during Run. What is known of
// packs that are watched no longer stays in the database.
func (c *Catalog) Watch(a Archive, packs []evidence.PackRef) {
	c.changing.Lock()
	defer c.changing.Unlock()
	c.mu.Lock()
	c.archive = a
	s := c.store
	c.mu.Unlock()
	if s != nil {
		if err := c.adopt(s, a.Identity()); err != nil {
			c.fail(s, err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.watched
	for _, p := range before {
		p.watched = false
	}
	c.watched = nil
	for _, ref := range packs {
		n := name{ref.Source, ref.Key()}
		p := cmp.Or(c.packs[n], newPack(n.source, n.key))
		if c.packs[n] = p; !p.watched {
			p.watched = true
			c.watched = append(c.watched, p)
		}
	}
	for _, p := range before {
		if !p.watched { // what ends now is not noticed
			p.askedFrom, p.oldest, p.replayed = unlisted, unlisted, false
			p.release()
		}
	}
	slices.SortFunc(c.watched, func(x, y *pack) int {
		return cmp.Or(cmp.Compare(x.source, y.source), cmp.Compare(x.key, y.key))
	})
	c.history.add(c.watched...) // those that are listed already cost nothing
}

// adopt makes the database that of an archive: what it holds of another one is
// forgotten.
func (c *Catalog) adopt(s *store, identity string) error {
	was, err := s.identity(context.Background())
	if err != nil || was == identity {
		return err
	}
	if was != "" {
		c.opts.Logger.Info("catalog cleared: the sinks have changed")
	}
	if err := s.clear(identity); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget()
	return nil
}

// forget forgets what is known of all packs.
func (c *Catalog) forget() {
	c.byID = make(map[int64]*pack)
	for _, p := range c.packs {
		p.state, p.askedFrom, p.oldest = newState(0), unlisted, unlisted
		p.partial, p.toldSealed, p.toldAll = false, 0, 0
	}
}

// find returns a pack that is watched, or nil.
func (c *Catalog) find(source, key string) *pack {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if p := c.packs[name{source, key}]; p != nil && p.watched {
		return p
	}
	return nil
}

// current returns the database, and from which archive it is filled.
func (c *Catalog) current() (*store, Archive, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.store == nil {
		return nil, c.archive, fault.New(fault.Unavailable, "the catalog is being made anew, after its database failed")
	}
	return c.store, c.archive, nil
}

// change changes what is known of a pack, in the database and in memory: both
// or, with an error, none.
func (c *Catalog) change(p *pack, f func(context.Context, *store, *state) error) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	s, _, err := c.current()
	if err != nil {
		return err
	}
	c.mu.RLock()
	st := p.state
	c.mu.RUnlock()
	err = s.write(func(ctx context.Context) (err error) {
		if st.id == 0 {
			if st.id, err = s.addPack(ctx, p.source, p.key); err != nil {
				return err
			}
		}
		if err := f(ctx, s, &st); err != nil {
			return err
		}
		return s.savePack(ctx, &st)
	})
	if err != nil {
		c.fail(s, err)
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.state = st
	c.byID[st.id] = p
	if p.confirmed() {
		p.release()
	}
	return nil
}

// fail gives up a database, which Run then replaces.
func (c *Catalog) fail(s *store, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store != s {
		return // somebody else did
	}
	c.opts.Logger.Error("catalog database failed", "file", c.opts.File, "err", err)
	c.store = nil
	for _, p := range c.packs {
		p.knownFrom, p.askedFrom = unlisted, unlisted // as it is not followed
	}
	c.history.broken <- s
}

// Status returns what is known of a pack.
func (c *Catalog) Status(source, pack string) Status {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if p := c.packs[name{source, pack}]; p != nil && p.watched {
		return p.status()
	}
	return Status{}
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

// Update takes up a slot of a watched pack that another process has settled, as
// the archive has it.
func (c *Catalog) Update(ctx context.Context, s evidence.Slot) error {
	if c.find(s.Source, s.Pack) == nil {
		return nil
	}
	_, a, _ := c.current() // the archive is there also while the database is not
	r, err := a.Record(ctx, Listed{Slot: s})
	if err == nil {
		c.Observe(Event{Record: r})
	}
	return err
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

// Behind reports what a pack's history lacks: slots that another replica counts,
// and the one that fell due then. Of a history that is not complete, it lacks
// nothing that will not be read in any case.
func (c *Catalog) Behind(source, pack string, due time.Time) (some, latest bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	p := c.packs[name{source, pack}]
	if p == nil || !p.complete() {
		return false, false
	}
	return p.behind(), !due.IsZero() && p.newest < due.Unix()
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

// Run reads histories in the background and replaces a database that failed,
// until ctx ends.
func (c *Catalog) Run(ctx context.Context) error { return c.history.run(ctx) }
