// Package daemon is packseal run: it schedules slots, works on them, serves the
// page and the control socket, and reloads its configuration.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/trace"

	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/queue"
	"packseal.example/web"
)

// Options are what a Daemon needs. Required fields are marked.
type Options struct {
	Load     func() (*config.Config, error) // reads the configuration at a reload; required
	Logger   *slog.Logger                   // required
	Version  string                         // of the program
	Instance string                         // the host's name, for notices
	Tracer   trace.Tracer                   // nil = no traces
}

// Daemon is packseal run: one engine at a time, of the configuration in
// force, under a page that outlives it. A reload ends the engine and starts
// the next; what was at work goes on from queue and spool.
type Daemon struct {
	Options
	logger *slog.Logger
	engine atomic.Pointer[engine]
	reload chan chan error
	status *reloadStatus

	controlDir string // where the control socket is

	systemd *systemd
}

// New makes a Daemon.
func New(o Options) *Daemon {
	d := &Daemon{Options: o, logger: o.Logger, reload: make(chan chan error), status: newReloadStatus()}
	d.systemd = newSystemd(d.turned, d.outlook, o.Logger)
	return d
}

// tool names the program in records and to servers.
func (o Options) tool() string { return "packseal/" + o.Version }

// Run does the daemon's work on cfg until ctx ends. The page is served on l.
// Workers stop first, the page last: while they give their work back, the page
// and /-/ready still tell what goes on. A page that can't be served ends the
// daemon, because nobody would see it fail.
func (d *Daemon) Run(ctx context.Context, cfg *config.Config, l net.Listener) error {
	o := web.Options{
		Logger: d.logger, Gatherer: prometheus.GathererFunc(d.gather), Packs: d.packs, Records: d.records, Ready: d.Ready, Version: d.Version,
	}
	if cfg.Web.Reload {
		o.Reload = func() error { return d.Reload(ctx) }
	}
	page, err := web.New(o)
	if err != nil {
		return err
	}
	pageCtx, closePage := context.WithCancel(context.WithoutCancel(ctx))
	defer closePage()
	asked := d.serveControl(pageCtx, cfg.StateDir)
	served := make(chan error, 1)
	work, stopWork := context.WithCancelCause(ctx)
	go func() {
		err := page.Run(pageCtx, l, cfg.Web.ConfigFile)
		served <- err
		if err != nil {
			stopWork(fmt.Errorf("serving the page: %w", err))
		}
	}()
	watched := make(chan struct{})
	go func() {
		d.systemd.run(work)
		close(watched)
	}()
	err = d.engines(work, cfg)
	stopWork(nil)
	<-watched
	closePage()
	<-asked
	return errors.Join(err, <-served)
}

// engines runs one engine after the other, until ctx ends or one fails:
//
//	newEngine → run ──reload of a good file──→ stop → newEngine → run …
//	             ├──reload of a bad file: the same engine runs on
//	             └──the queue's disk failed and is back → stop → newEngine, until it runs
//
// The next engine is made when the last one has stopped, as both want the
// queue's folder; for that moment slots wait, and none is lost.
func (d *Daemon) engines(ctx context.Context, cfg *config.Config) error {
	var old *config.Config  // in force before a reload,
	var answer chan<- error // and who waits to hear what comes of that
	var refused error       // why no engine came of it, for the next one's notices
	again := false          // the same once more
	for {
		e, err := newEngine(ctx, cfg, d.Options, d.status)
		if err != nil {
			if ctx.Err() != nil {
				return nil // told to stop while it starts, or waits for other replicas
			}
			if again && answer == nil {
				d.logger.WarnContext(ctx, "the engine does not start again yet", "err", err)
				fault.Sleep(ctx, reopenAfter)
				continue
			}
			if answer == nil {
				return err
			}
			d.settled(ctx, answer, err)
			cfg, answer, refused = old, nil, err
			continue
		}
		within, stop := context.WithCancelCause(ctx)
		ended := make(chan error, 1)
		go func() { ended <- e.run(within) }()
		d.engine.Store(e)
		if refused != nil {
			e.notices.ReloadFailed(refused)
			refused = nil
		}
		if answer != nil {
			d.settled(ctx, answer, nil)
		}
		d.systemd.ready()
		old = cfg
		cfg, answer, err = d.supervise(ctx, ended)
		stop(errNextEngine)
		if err == nil {
			err = <-ended
		}
		if again = errors.Is(err, queue.ErrReopen) && ctx.Err() == nil; again {
			d.logger.WarnContext(ctx, "the engine is started again", "err", err)
			if answer == nil {
				cfg = old
			}
			continue
		}
		if cfg == nil || err != nil {
			return err
		}
		if cfg.Web != old.Web || cfg.Log != old.Log {
			d.logger.WarnContext(ctx, "what has changed under web and log takes effect at the next start")
		}
		if cfg.StateDir != old.StateDir {
			d.logger.WarnContext(ctx, "packseal queue finds the daemon under the state_dir of its start until the next one", "path", d.controlDir)
		}
	}
}

// errNextEngine is why an engine ends when another one follows in the process.
var errNextEngine = errors.New("another engine follows")

// reopenAfter is between two tries to start an engine again.
const reopenAfter = 5 * time.Second

// supervise waits until the engine ends, ctx ends (next is nil), or a good new
// configuration is there, and somebody waits to hear what comes of it. A bad
// one leaves the old one in force.
func (d *Daemon) supervise(ctx context.Context, ended chan error) (next *config.Config, answer chan<- error, err error) {
	for {
		select {
		case err := <-ended:
			ended <- nil
			return nil, nil, err
		case <-ctx.Done():
			return nil, nil, nil
		case answer := <-d.reload:
			d.systemd.reloading()
			next, err := d.Load()
			if err == nil {
				return next, answer, nil
			}
			d.settled(ctx, answer, err)
			d.systemd.ready()
			d.engine.Load().notices.ReloadFailed(err)
		}
	}
}

// settled tells everybody how a reload ended.
func (d *Daemon) settled(ctx context.Context, answer chan<- error, err error) {
	d.status.set(err == nil)
	if err == nil {
		d.logger.InfoContext(ctx, "configuration reloaded")
	} else {
		d.logger.ErrorContext(ctx, "configuration not reloaded: the old one stays in force", "err", err)
	}
	answer <- err
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

// Latest returns the record of the pack's latest settled slot that is known;
// zero when there is none.
func (d *Daemon) Latest(source, pack string) evidence.Record {
	if e := d.engine.Load(); e != nil {
		st := e.catalog.Status(source, pack)
		return later(st.LastSealed, st.LastGap)
	}
	return evidence.Record{}
}

// gather is what /metrics shows: the engine's, or nothing between two engines.
func (d *Daemon) gather() ([]*dto.MetricFamily, error) {
	if e := d.engine.Load(); e != nil {
		return e.registry.Gather()
	}
	return nil, nil
}

// Ready says whether the daemon does its work.
func (d *Daemon) Ready() error {
	e := d.engine.Load()
	if e == nil {
		return fault.New(fault.NotReady, "starting")
	}
	if err := e.queue.Ready(context.Background()); err != nil {
		return err
	}
	return e.scheduler.Ready()
}

// records yields what the page's query selects, from the archive.
func (d *Daemon) records(ctx context.Context, q web.Query) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		e := d.engine.Load()
		if e == nil {
			yield(evidence.Record{}, d.Ready())
			return
		}
		e.catalog.Records(ctx, catalog.Query{Source: q.Source, Pack: q.Pack, From: q.From, To: q.To, State: q.State, Limit: q.Limit})(yield)
	}
}
