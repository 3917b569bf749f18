package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/internal/evidence"
	"packseal.example/notify"
	"packseal.example/scheduler"
	"packseal.example/scheduler/queue"
	"packseal.example/scheduler/replica"
)

// engine is everything that a configuration drives.
type engine struct {
	*components
	catalog   *catalog.Catalog
	registry  *prometheus.Registry
	queue     *queue.JetStream
	scheduler *scheduler.Scheduler
	notices   *notify.Notices
	lease     *replica.Lease    // of who tells, among replicas
	names     map[string]string // of packs
}

// newEngine builds an engine.
func newEngine(ctx context.Context, cfg *config.Config, o Options, status *reloadStatus) (_ *engine, err error) {
	logger := o.Logger
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(o.Version), status, verifiedCollector(cfg.StateDir))
	e := &engine{registry: reg}
	if e.catalog, err = catalog.Open(catalog.Options{File: filepath.Join(cfg.StateDir, "packseal.db"), Logger: logger, Observers: []func(catalog.Event){e.settled}}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			e.catalog.Close() //nolint:errcheck // the first error counts
		}
	}()
	reg.MustRegister(e.catalog)
	h, err := open(ctx, cfg, ArchiveOptions{Tool: o.tool(), Logger: logger, Tracer: o.Tracer, catalog: e.catalog}, reg)
	if err != nil {
		return nil, err
	}
	reg.MustRegister(packInfo(h.entries))
	e.components = h
	qo := queue.Options{
		Dir: filepath.Join(cfg.StateDir, "queue"), Logger: logger, Registerer: reg,
		Embedded: cfg.Queue.Embedded, NATS: cfg.Queue.NATS,
		Trouble: func(source, pack string) string { return e.catalog.Status(source, pack).Trouble },
	}
	if e.queue, err = queue.Open(ctx, qo); err != nil {
		return nil, err
	}
	limits := make(map[string]int)
	for name, bounds := range h.bounds {
		limits[name] = bounds.MaxInFlight
	}
	if err := e.queue.SetSources(ctx, limits); err != nil {
		return nil, errors.Join(err, e.queue.Close())
	}
	h.part = e.queue.Part
	if err := e.openNotices(reg, o); err != nil {
		return nil, errors.Join(err, e.queue.Close())
	}
	plans := make([]scheduler.Plan, len(h.entries))
	for i, entry := range h.entries {
		plans[i] = entry.Plan
	}
	e.scheduler, err = scheduler.New(scheduler.Options{
		Logger: logger, Registerer: reg,
		History: e.catalog, Publish: e.queue.Publish, Held: e.queue.Held, Gap: h.Gap,
	})
	if err == nil {
		err = e.scheduler.Update(plans)
	}
	if err != nil {
		return nil, errors.Join(err, e.queue.Close())
	}
	refs := make([]evidence.PackRef, len(h.entries))
	for i, entry := range h.entries {
		refs[i] = entry.Pack.PackRef
	}
	e.catalog.Watch(h.Archive, refs)
	return e, nil
}

// run schedules, works and drains until ctx ends and all of it has stopped. The
// first of them to fail stops the others. The queue is closed last: workers
// give their tasks back to it on their way out.
func (e *engine) run(whole context.Context) error {
	g, ctx := errgroup.WithContext(whole)
	g.Go(func() error { return e.scheduler.Run(ctx) })
	g.Go(func() error { return e.Drain(ctx) })
	g.Go(func() error { return e.catalog.Run(ctx) })
	g.Go(func() error { return e.notices.Run(ctx) })
	g.Go(func() error { return e.queue.Watch(ctx) })
	g.Go(func() error { return e.follow(ctx) })
	g.Go(func() error { e.lease.Run(ctx); return nil })
	packs := make(map[evidence.PackRef]bool)
	for _, entry := range e.entries {
		packs[entry.Pack.PackRef] = true
	}
	g.Go(func() error {
		return e.queue.Run(ctx, func(ctx context.Context, t scheduler.Task) time.Duration { return e.settle(ctx, packs, t) })
	})
	err := errors.Join(g.Wait(), e.catalog.Close())
	if why := context.Cause(whole); why == nil || errors.Is(why, errNextEngine) {
		return errors.Join(err, e.queue.Close()) // the next one wants its folder
	}
	return errors.Join(err, e.queue.CloseLast())
}

// elsewhere is how long a slot of a pack that is not configured here waits
// for another replica.
const elsewhere = 5 * time.Second

// settle works on a task. One whose pack is no longer in the configuration is
// let go: nobody owes its report any more. Where there are other replicas, they
// may have a newer one that knows the pack, so they get it until its deadline.
func (e *engine) settle(ctx context.Context, packs map[evidence.PackRef]bool, t scheduler.Task) time.Duration {
	ok := packs[t.Ref()]
	if !ok && e.cfg.Queue.Shared() && time.Now().Before(t.Deadline) {
		e.logger.InfoContext(ctx, "slot of a pack that is not configured is left to other replicas", "pack", t.Pack, "due", t.Due)
		return elsewhere
	}
	if !ok {
		e.logger.WarnContext(ctx, "slot of a pack that is not configured is dropped", "pack", t.Pack, "due", t.Due)
		return 0
	}
	return e.Settle(ctx, t)
}
