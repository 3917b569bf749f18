package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"packseal.example/config"
	"packseal.example/fetcher"
	"packseal.example/notify"
	"packseal.example/scheduler"
	"packseal.example/scheduler/queue"
	"packseal.example/scheduler/replica"
)

// engine is everything that a configuration drives.
type engine struct {
	*house
	registry  *prometheus.Registry
	queue     *queue.JetStream
	scheduler *scheduler.Scheduler
	notices   *notify.Notices
	lease     *replica.Lease // of who tells, among replicas
}

// newEngine builds an engine.
func newEngine(ctx context.Context, cfg *config.Config, logger *slog.Logger, status *reloadStatus) (*engine, error) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(), status, verifiedCollector(cfg.StateDir))
	h, err := build(ctx, cfg, reg, logger, false)
	if err != nil {
		return nil, err
	}
	reg.MustRegister(packInfo(h.entries))
	e := &engine{house: h, registry: reg}
	o := queue.Options{
		Dir: filepath.Join(cfg.StateDir, "queue"), Logger: logger, Registerer: reg,
		Embedded: cfg.Queue.Embedded, NATS: cfg.Queue.NATS,
		Trouble: func(source, pack string) string { return h.Status(source, pack).Trouble },
	}
	if e.queue, err = queue.Open(ctx, o); err != nil {
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
	if err := e.openNotices(reg, logger); err != nil {
		return nil, errors.Join(err, e.queue.Close())
	}
	if cfg.Queue.Shared() {
		h.Announce = e.announce
	}
	plans := make([]scheduler.Plan, len(h.entries))
	for i, entry := range h.entries {
		plans[i] = entry.Plan
	}
	e.scheduler, err = scheduler.New(scheduler.Options{
		Plans: plans, Logger: logger, Registerer: reg,
		History: h.History, Publish: e.queue.Publish, Held: e.queue.Held, Gap: h.Gap,
	})
	if err != nil {
		return nil, errors.Join(err, e.queue.Close())
	}
	return e, nil
}

// run schedules, works and drains until ctx ends and all of it has stopped. The
// first of them to fail stops the others. The queue is closed last: workers
// give their tasks back to it on their way out.
func (e *engine) run(whole context.Context) error {
	g, ctx := errgroup.WithContext(whole)
	g.Go(func() error { return e.scheduler.Run(ctx) })
	g.Go(func() error { return e.Drain(ctx) })
	g.Go(func() error { return e.notices.Run(ctx) })
	g.Go(func() error { return e.queue.Watch(ctx) })
	g.Go(func() error { return e.follow(ctx) })
	g.Go(func() error { e.lease.Run(ctx); return nil })
	packs := make(map[string]fetcher.Pack)
	for _, entry := range e.entries {
		packs[entry.Pack.Source+"/"+entry.Pack.Key()] = entry.Pack
	}
	g.Go(func() error {
		return e.queue.Run(ctx, func(ctx context.Context, t scheduler.Task) time.Duration { return e.settle(ctx, packs, t) })
	})
	err := g.Wait()
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
func (e *engine) settle(ctx context.Context, packs map[string]fetcher.Pack, t scheduler.Task) time.Duration {
	p, ok := packs[t.Source+"/"+t.Pack]
	if !ok && e.cfg.Queue.Shared() && time.Now().Before(t.Deadline) {
		e.logger.InfoContext(ctx, "slot of a pack that is not configured is left to other replicas", "pack", t.Pack, "due", t.Due)
		return elsewhere
	}
	if !ok {
		e.logger.WarnContext(ctx, "slot of a pack that is not configured is dropped", "pack", t.Pack, "due", t.Due)
		return 0
	}
	return e.Settle(ctx, p, t)
}
