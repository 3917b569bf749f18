package daemon

import (
	"context"
	"slices"
	"time"

	"packseal.example/config"
	"packseal.example/config/strictyaml"
	"packseal.example/control"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
	"packseal.example/scheduler/queue"
)

// serveControl serves the control socket in dir until ctx ends. Without it
// reports are kept all the same, so that it fails ends nothing.
func (d *Daemon) serveControl(ctx context.Context, dir string) (done <-chan struct{}) {
	d.controlDir = dir
	ended := make(chan struct{})
	s, err := control.Listen(ctx, dir, controlled{d}, d.logger)
	if err != nil {
		d.logger.WarnContext(ctx, "packseal queue can't reach this daemon", "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
		close(ended)
		return ended
	}
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	return ended
}

// controlled is what a daemon does that is asked over the socket.
type controlled struct{ *Daemon }

// atWork returns the engine, if there is one.
func (c controlled) atWork() (*engine, error) {
	if e := c.engine.Load(); e != nil {
		return e, nil
	}
	return nil, fault.New(fault.NotReady, "packseal is starting").WithHint("it may wait for other replicas, or for the queue's servers: its log says so")
}

// List implements control.Queue.
func (c controlled) List(ctx context.Context, s control.Selection) (*queue.Listing, error) {
	e, err := c.atWork()
	if err != nil {
		return nil, err
	}
	if _, ok := e.cfg.Sources[s.Source]; !ok && s.Source != "" {
		return nil, e.unknown(s.Source)
	}
	sel := queue.Selection{Source: s.Source, Limit: s.Limit}
	for _, name := range s.Names {
		packs := e.packs(name)
		if len(packs) == 0 {
			return nil, e.unknown(name)
		}
		sel.Packs = append(sel.Packs, packs...)
	}
	return e.queue.List(ctx, sel)
}

// Pause implements control.Queue.
func (c controlled) Pause(ctx context.Context, o control.Order) ([]control.Outcome, error) {
	e, err := c.atWork()
	if err != nil {
		return nil, err
	}
	var wanted []queue.Pause
	for _, name := range o.Names {
		found := e.named(name)
		if len(found) == 0 {
			return nil, e.unknown(name)
		}
		wanted = append(wanted, found...)
	}
	var outcomes []control.Outcome
	for _, p := range once(wanted) {
		p.Since, p.By, p.Why = time.Now().UTC().Truncate(time.Second), o.By, o.Why
		p, added, err := e.queue.Pause(ctx, p)
		if err != nil {
			return nil, err
		}
		if added {
			c.logger.InfoContext(ctx, "paused", "source", p.Source, "pack", p.Pack, "by", p.By, "why", p.Why)
		}
		outcomes = append(outcomes, control.Outcome{Pause: p, Changed: added})
	}
	return outcomes, nil
}

// Resume implements control.Queue. What is paused can be named also when it is
// no longer configured.
func (c controlled) Resume(ctx context.Context, o control.Order) ([]control.Outcome, error) {
	e, err := c.atWork()
	if err != nil {
		return nil, err
	}
	paused := e.queue.Pauses()
	var wanted []queue.Pause
	for _, name := range o.Names {
		found := e.named(name)
		for _, p := range paused {
			if p.Pack == "" && p.Source == name || p.Pack != "" && (p.Pack == name || p.Source+"/"+p.Pack == name) {
				found = append(found, queue.Pause{Source: p.Source, Pack: p.Pack})
			}
		}
		if len(found) == 0 {
			return nil, e.unknown(name)
		}
		wanted = append(wanted, found...)
	}
	var outcomes []control.Outcome
	for _, p := range once(wanted) {
		was, err := e.queue.Resume(ctx, p.Source, p.Pack)
		if err != nil {
			return nil, err
		}
		if was {
			c.logger.InfoContext(ctx, "resumed", "source", p.Source, "pack", p.Pack, "by", o.By)
		}
		if holds, ok := e.queue.Paused(p.Source, p.Pack); ok && p.Pack != "" {
			p = holds // its source is paused
		}
		outcomes = append(outcomes, control.Outcome{Pause: p, Changed: was})
	}
	return outcomes, nil
}

// once leaves out what was named before.
func once(all []queue.Pause) (each []queue.Pause) {
	for _, p := range all {
		if !slices.Contains(each, p) {
			each = append(each, p)
		}
	}
	return each
}

// named returns what a person may mean: a source, or packs by key, by ID, or by
// source and key.
func (e *engine) named(name string) (found []queue.Pause) {
	if _, ok := e.cfg.Sources[name]; ok {
		return []queue.Pause{{Source: name}}
	}
	for _, p := range e.packs(name) {
		found = append(found, queue.Pause{Source: p.Source, Pack: p.Pack})
	}
	return found
}

// packs returns the packs of that name.
func (e *engine) packs(name string) (found []scheduler.Slot) {
	chosen, err := config.Choose(e.entries, []string{name})
	if err != nil {
		return nil
	}
	for _, entry := range chosen {
		found = append(found, scheduler.Slot{Source: entry.Pack.Source, Pack: entry.Pack.Key()})
	}
	return found
}

// unknown refuses a name, and says what may have been meant.
func (e *engine) unknown(name string) error {
	var known []string
	for source := range e.cfg.Sources {
		known = append(known, source)
	}
	slices.Sort(known)
	for _, entry := range e.entries {
		known = append(known, entry.Pack.Key(), entry.Pack.Source+"/"+entry.Pack.Key())
	}
	err := fault.New(fault.NotFound, "no source or pack %.200q in the daemon's configuration", name)
	if near := strictyaml.Nearest(name, known); near != "" {
		return err.WithHint("did you mean %s?", near)
	}
	return err.WithHint("packseal next lists the packs, as source/pack")
}
