// Package daemon is packseal run: it schedules slots, works on them, serves the
// page and the control socket, and reloads its configuration.
//
// What it consists of is made at two rates:
//
//	services   once per process: queue, catalog, scheduler, spool, metrics, the
//	           page and the control socket
//	runtime    once per configuration: sources, sinks, the archive over them,
//	           notification channels
//
// A reload replaces the runtime and updates the services; a source, a sink or
// the channels whose configuration is as before are taken over as they are. The
// queue's server goes on, as does every slot at work.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/trace"

	"packseal.example/config"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/web"
)

// Options are what a Daemon needs. Required fields are marked.
type Options struct {
	Load     func() (*config.Config, error) // reads the configuration at a reload; required
	Logger   *slog.Logger                   // required
	Level    *slog.LevelVar                 // of the Logger, which a reload may change; nil = it stays
	Version  string                         // of the program
	Instance string                         // the host's name, for notices
	Tracer   trace.Tracer                   // nil = no traces
}

// tool names the program in records and to servers.
func (o Options) tool() string { return "packseal/" + o.Version }

// Daemon is packseal run. Make one with [New].
type Daemon struct {
	Options
	began    time.Time
	reload   chan chan<- error
	status   *reloadStatus
	services atomic.Pointer[services] // nil before Run
	systemd  *systemd
}

// New makes a Daemon that is ready to Run, once.
func New(o Options) *Daemon {
	d := &Daemon{Options: o, began: time.Now().UTC().Truncate(time.Second), reload: make(chan chan<- error), status: newReloadStatus()}
	d.systemd = newSystemd(d.turned, d.outlook, o.Logger)
	return d
}

// Run does the daemon's work on cfg until ctx ends. The page is served on l.
// Workers stop first, the page last: while they give their work back, the page
// and /-/ready still show what goes on. A page that can't be served ends the
// daemon, because nobody would see it fail.
func (d *Daemon) Run(ctx context.Context, cfg *config.Config, l net.Listener) error {
	s, err := openServices(ctx, cfg, d.Options, d.status)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	d.services.Store(s)
	page, err := web.New(d.page(ctx, cfg))
	if err != nil {
		return errors.Join(err, l.Close(), s.close())
	}
	work, stopWork := context.WithCancelCause(ctx)
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	controlled := d.serveControl(serving, cfg.StateDir)
	served := make(chan error, 1)
	go func() {
		err := page.Run(serving, l, cfg.Web.ConfigFile)
		served <- err
		if err != nil {
			stopWork(fmt.Errorf("serving the page: %w", err))
		}
	}()
	reported := make(chan struct{})
	go func() {
		d.systemd.run(work)
		close(reported)
	}()
	err = s.run(work, d.ready, d.reloads)
	stopWork(nil)
	<-reported
	stopServing()
	<-controlled
	return errors.Join(err, <-served)
}

// page returns what the page is made of.
func (d *Daemon) page(ctx context.Context, cfg *config.Config) web.Options {
	o := web.Options{
		Logger: d.Logger, Gatherer: d.services.Load().registries, Version: d.Version,
		Packs: d.services.Load().packs, Records: d.services.Load().records, GapAcks: d.services.Load().gapAcks, Status: d.services.Load().shared, Ready: d.Ready, Ledger: d.services.Load().ledger, Statement: d.services.Load().statement,
	}
	if cfg.Web.Reload {
		o.Reload = func() error { return d.Reload(ctx) }
	}
	return o
}

// ready is called when everything runs, for the first time.
func (d *Daemon) ready() { d.systemd.ready() }

// reloads reloads the configuration whenever that is asked for, until ctx ends.
// A bad one leaves the old one in force.
func (d *Daemon) reloads(ctx context.Context) error {
	s := d.services.Load()
	for {
		var answer chan<- error
		select {
		case <-ctx.Done():
			return nil
		case answer = <-d.reload:
		}
		d.systemd.reloading()
		cfg, err := d.Load()
		if err == nil {
			err = s.update(ctx, cfg)
		}
		d.status.set(err)
		if err == nil {
			d.Logger.InfoContext(ctx, "configuration reloaded", "packs", len(s.runtime.Load().entries))
		} else {
			message, hint := brief(err)
			d.Logger.ErrorContext(ctx, "configuration not reloaded", "err", message, "hint", hint)
			s.notices.ReloadFailed(err)
		}
		d.systemd.ready()
		answer <- err
	}
}

// brief returns an error on one line, and its hint.
func brief(err error) (message, hint string) {
	if bad, ok := errors.AsType[*config.Error](err); ok {
		return bad.Brief()
	}
	return err.Error(), fault.Hint(err)
}

// Reload loads the configuration anew and returns what is wrong with it.
func (d *Daemon) Reload(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case d.reload <- answer:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Ready returns nil while the daemon does its work, and otherwise why not.
func (d *Daemon) Ready() error {
	if s := d.services.Load(); s != nil {
		return s.ready()
	}
	return fault.New(fault.NotReady, "packseal is starting")
}

// Gather implements [prometheus.Gatherer]: what /metrics shows.
func (d *Daemon) Gather() ([]*dto.MetricFamily, error) {
	if s := d.services.Load(); s != nil {
		return s.registries.Gather()
	}
	return nil, nil
}

// Latest returns the record of the pack's latest settled slot that is known;
// zero when there is none.
func (d *Daemon) Latest(source, pack string) evidence.Record {
	if s := d.services.Load(); s != nil {
		st := s.catalog.Status(source, pack)
		return later(st.LastSealed, st.LastGap)
	}
	return evidence.Record{}
}

// Settled returns how many slots of the configured packs are sealed, and how many
// are gaps, as far as is known.
func (d *Daemon) Settled() (sealed, gaps int) {
	if s := d.services.Load(); s != nil {
		for _, e := range s.entries() {
			st := s.catalog.Status(e.Pack.Source, e.Pack.Key())
			sealed, gaps = sealed+st.Sealed, gaps+st.Gaps
		}
	}
	return sealed, gaps
}
