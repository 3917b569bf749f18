package daemon

import (
	"context"
	"errors"
	"iter"
	"maps"
	"os"
	"slices"
	"time"

	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/config/strictyaml"
	"packseal.example/control"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/queue"
)

// serveControl serves the control socket in dir until ctx ends. Without it
// reports are kept all the same, so a failure ends nothing.
func (d *Daemon) serveControl(ctx context.Context, dir string) (done <-chan struct{}) {
	ended := make(chan struct{})
	s, err := control.Listen(ctx, dir, controlled{d.services.Load(), d}, d.Logger)
	if err != nil {
		d.Logger.WarnContext(ctx, "control socket not served", "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
		close(ended)
		return ended
	}
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	return ended
}

// controlled implements [control.Daemon].
type controlled struct {
	*services
	daemon *Daemon
}

// Status implements [control.Operator].
func (c controlled) Status(context.Context) control.Status {
	shared := c.shared()
	st := control.Status{
		Version: c.daemon.Version, PID: os.Getpid(), Started: c.daemon.began, Ready: true,
		Packs: make(map[string]int), Pauses: []queue.Pause{}, Down: []control.DownSink{}, Spooled: shared.Spool.Reports, Full: shared.Spool.Full,
		Verified: shared.Verified.Passed, Problems: shared.Verified.Problems, Repaired: shared.Verified.Repaired, AllRead: shared.Verified.AllRead,
	}
	if err := c.ready(); err != nil {
		st.Ready, st.Trouble = false, control.NewProblem(err)
	}
	if no := shared.Refused; no != nil {
		st.Refused, st.RefusedAt, st.RefusedWhy, st.RefusedHint = true, no.At, no.Why, no.Hint
	}
	for _, p := range c.packs() {
		st.Packs[p.State]++
	}
	for _, l := range shared.Listed {
		st.NotKept += l.NotKept
		if l.Why != "" {
			st.Unlisted = append(st.Unlisted, control.Unlisted{Source: l.Source, AccountName: l.Account, Why: l.Why})
		}
	}
	for _, s := range shared.Sinks {
		if !s.Down.IsZero() {
			st.Down = append(st.Down, control.DownSink{Sink: s.Name, Since: s.Down, Why: s.Why})
		}
	}
	if e, due := c.next(); !due.IsZero() {
		slot := e.Pack.Slot(due)
		st.Next, st.NextName, st.NextZone = &slot, e.Pack.Name, e.TimeZone
	}
	st.Ledger = c.ledger()
	if q, err := c.queue.get(); err == nil {
		st.Pauses = append(st.Pauses, q.Pauses()...)
	}
	return st
}

// Reload implements [control.Operator].
func (c controlled) Reload(ctx context.Context) error {
	if _, err := c.queue.get(); err != nil { // until it is open, nothing is reloaded
		return err
	}
	err := c.daemon.Reload(ctx)
	if bad, ok := errors.AsType[*config.Error](err); ok {
		return fault.Wrap(fault.Request, bad)
	}
	return err
}

// List implements [control.Queue].
func (c controlled) List(ctx context.Context, s control.Selection) (*queue.Listing, error) {
	q, err := c.queue.get()
	if err != nil {
		return nil, err
	}
	if _, ok := c.runtime.Load().sources[s.Source]; !ok && s.Source != "" {
		return nil, c.unknownName(s.Source)
	}
	sel := queue.Selection{Source: s.Source, Limit: s.Limit}
	for _, name := range s.Names {
		packs := c.packsNamed(name)
		if len(packs) == 0 {
			return nil, c.unknownName(name)
		}
		sel.Packs = append(sel.Packs, packs...)
	}
	return q.List(ctx, sel)
}

// Pause implements [control.Queue].
func (c controlled) Pause(ctx context.Context, o control.Order) ([]control.Outcome, error) {
	q, err := c.queue.get()
	if err != nil {
		return nil, err
	}
	wanted, err := c.wanted(o.Names, c.pausable)
	if err != nil {
		return nil, err
	}
	var outcomes []control.Outcome
	now := time.Now().UTC().Truncate(time.Second)
	for _, p := range wanted {
		p.Since, p.By, p.Why = now, o.By, o.Why
		if o.For > 0 {
			p.Until = p.Since.Add(o.For)
		}
		p, added, err := q.Pause(ctx, p)
		if err != nil {
			return nil, err
		}
		if added {
			c.Logger.InfoContext(ctx, "paused", "source", p.Source, "pack", p.Pack, "by", p.By, "why", p.Why, "until", p.Until)
		}
		outcomes = append(outcomes, control.Outcome{Pause: p, Changed: added})
	}
	return outcomes, nil
}

// Resume implements [control.Queue]. A pause can be named also when its source
// or pack is no longer configured.
func (c controlled) Resume(ctx context.Context, o control.Order) ([]control.Outcome, error) {
	q, err := c.queue.get()
	if err != nil {
		return nil, err
	}
	wanted, err := c.wanted(o.Names, func(name string) []queue.Pause {
		found := c.pausable(name)
		for _, p := range q.Pauses() {
			if p.Pack == "" && p.Source == name || p.Pack != "" && (p.Pack == name || p.Source+"/"+p.Pack == name) {
				found = append(found, queue.Pause{Source: p.Source, Pack: p.Pack})
			}
		}
		return found
	})
	if err != nil {
		return nil, err
	}
	var outcomes []control.Outcome
	for _, p := range wanted {
		was, err := q.Resume(ctx, p.Source, p.Pack)
		if err != nil {
			return nil, err
		}
		if was {
			c.Logger.InfoContext(ctx, "resumed", "source", p.Source, "pack", p.Pack, "by", o.By)
		}
		if of, ok := q.Paused(p.Source, p.Pack); ok && p.Pack != "" {
			p = of // its source is paused
		}
		outcomes = append(outcomes, control.Outcome{Pause: p, Changed: was})
	}
	return outcomes, nil
}

// Records implements [control.Catalog].
func (c controlled) Records(ctx context.Context, q catalog.Query) iter.Seq2[evidence.Record, error] {
	for _, e := range c.entries() {
		asked := (q.Source == "" || q.Source == e.Pack.Source) && (q.Pack == "" || q.Pack == e.Pack.Key())
		if asked && !c.catalog.Status(e.Pack.Source, e.Pack.Key()).Complete {
			return func(yield func(evidence.Record, error) bool) {
				yield(evidence.Record{}, fault.New(fault.NotReady, "the history of %s is still being read", e.Pack.Key()))
			}
		}
	}
	return c.catalog.Records(ctx, q)
}

// Seen implements [control.Catalog].
func (c controlled) Seen(ctx context.Context) iter.Seq2[catalog.Listed, error] {
	return c.catalog.Seen(ctx)
}

// Settled implements [control.Catalog].
func (c controlled) Settled(ctx context.Context, s evidence.Slot) error {
	return c.catalog.Update(ctx, s)
}

// wanted returns what find finds under the names, each once. A name under which
// it finds nothing is unknown.
func (c controlled) wanted(names []string, find func(string) []queue.Pause) (all []queue.Pause, err error) {
	for _, name := range names {
		found := find(name)
		if len(found) == 0 {
			return nil, c.unknownName(name)
		}
		for _, p := range found {
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all, nil
}

// pausable returns what a person may mean by a name: a source, with those of its
// accounts, or packs by key, by ID, or by source and key.
func (c controlled) pausable(name string) (found []queue.Pause) {
	sources := c.runtime.Load().sources
	if _, ok := sources[name]; ok {
		for _, source := range slices.Sorted(maps.Keys(sources)) {
			if among(source, name) {
				found = append(found, queue.Pause{Source: source})
			}
		}
		return found
	}
	for _, p := range c.packsNamed(name) {
		found = append(found, queue.Pause{Source: p.Source, Pack: p.Pack})
	}
	return found
}

// packsNamed returns the packs that a name may mean, as slots without a due time.
func (c controlled) packsNamed(name string) (found []evidence.Slot) {
	chosen, err := config.Choose(c.entries(), []string{name})
	if err != nil {
		return nil
	}
	for _, e := range chosen {
		found = append(found, evidence.Slot{Source: e.Pack.Source, Pack: e.Pack.Key()})
	}
	return found
}

// unknownName refuses a name, and suggests what may have been meant.
func (c controlled) unknownName(name string) error {
	r := c.runtime.Load()
	if _, ok := r.cfg.Sources[name]; ok && !r.cfg.Enabled(name) {
		return fault.New(fault.NotFound, "the source %s is disabled: enabled: false; no work is started on it anyway", name)
	}
	if idle, err := config.Choose(r.idle, []string{name}); err == nil {
		return fault.New(fault.NotFound, "the pack %s/%s is disabled: enabled: false, in its entry or its source; no work is started on it anyway", idle[0].Pack.Source, idle[0].Pack.Key())
	}
	var known []string
	for source := range r.sources {
		known = append(known, source)
	}
	slices.Sort(known)
	for _, e := range c.entries() {
		known = append(known, e.Pack.Key(), e.Pack.Source+"/"+e.Pack.Key())
	}
	err := fault.New(fault.NotFound, "no source or pack %.200q in the daemon's configuration", name)
	if near := strictyaml.Nearest(name, known); near != "" {
		return err.WithHint("did you mean %s?", near)
	}
	return err.WithHint("packseal next lists the packs, as source/pack")
}
