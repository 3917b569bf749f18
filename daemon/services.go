package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/archive/plans"
	"packseal.example/config"
	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/notify"
	"packseal.example/scheduler"
	"packseal.example/scheduler/queue"
	"packseal.example/scheduler/replica"
)

// services are made once per process, and outlive every reload.
type services struct {
	Options
	status     *reloadStatus
	cfg        *config.Config // of the start: queue, state_dir, web and log.format are as it says
	registries *registries
	spool      *fetcher.Spool
	catalog    *catalog.Catalog
	plans      *plans.Store
	alive      *alive
	archive    *archive.Metrics
	scheduler  *scheduler.Scheduler
	queue      *queueService
	notices    *notify.Notices
	elsewhere  atomic.Pointer[verified] // what another replica's verification found; nil = not known
	discovered *discovered
	updating   sync.Mutex                    // held while the runtime is replaced
	lease      atomic.Pointer[replica.Lease] // of the lead; nil before the queue is open
	runtime    atomic.Pointer[runtime]       // that of the configuration in force
	running    *errgroup.Group               // what runs
	statements *statements
}

// openServices makes the services and the first runtime. It starts nothing.
func openServices(ctx context.Context, cfg *config.Config, o Options, status *reloadStatus) (_ *services, err error) {
	s := &services{Options: o, status: status, cfg: cfg, registries: newRegistries(), statements: newStatements(), discovered: openDiscovered(cfg.StateDir, o.Logger)}
	if s.spool, err = fetcher.OpenSpool(filepath.Join(cfg.StateDir, "spool")); err != nil {
		return nil, err
	}
	if s.plans, err = plans.Open(plans.Options{Dir: filepath.Join(cfg.StateDir, "plans"), Tool: o.tool(), Logger: o.Logger}); err != nil {
		return nil, err
	}
	s.alive = openAlive(cfg.StateDir, cfg.Queue.Shared())
	s.catalog, err = catalog.Open(catalog.Options{
		File: filepath.Join(cfg.StateDir, "packseal.db"), Logger: o.Logger, Observers: []func(catalog.Event){s.notify, s.broadcast},
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.catalog.Close())
		}
	}()
	reg := s.registries.process
	s.archive = archive.NewMetrics(reg)
	s.spool.RegisterMetrics(reg)
	reg.MustRegister(buildInfo(o.Version), status, verifiedCollector(cfg.StateDir), s.catalog, packInfo{s.entries}, packLabels{s.entries}, discoveryCollector{s}, ledgerCollector{s})
	s.queue = &queueService{
		options: queue.Options{
			Dir: filepath.Join(cfg.StateDir, "queue"), Logger: o.Logger, Embedded: cfg.Queue.Embedded, NATS: cfg.Queue.NATS,
			Trouble: func(source, pack string) string { return s.catalog.Status(source, pack).Trouble },
		},
		registries: s.registries,
	}
	s.scheduler, err = scheduler.New(scheduler.Options{
		History: history{s}, InForce: s.plans.InForce, Missed: s.alive.missed,
		Publish: s.queue.Publish, Held: s.queue.Held, Gap: s.gap, Logger: o.Logger, Registerer: reg,
	})
	if err != nil {
		return nil, err
	}
	if s.notices, err = s.openNotices(); err != nil {
		return nil, err
	}
	r, err := s.openRuntime(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return s, s.adopt(ctx, r)
}

// run does the daemon's work until ctx ends or a part of it fails. Nothing is
// scheduled before the queue is open, which may wait for other replicas. Then it
// calls ready, and reloads for as long as the rest runs.
func (s *services) run(ctx context.Context, ready func(), reloads func(context.Context) error) (err error) {
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.queue.open(ctx); ctx.Err() != nil {
		return nil // stopped while starting
	} else if err != nil {
		return err
	}
	s.running, ctx = errgroup.WithContext(ctx)
	s.running.Go(func() error { return s.scheduler.Run(ctx) })
	s.running.Go(func() error { return s.catalog.Run(ctx) })
	s.running.Go(func() error { return s.plans.Run(ctx) })
	s.running.Go(func() error { s.leave(ctx); return nil })
	s.running.Go(func() error { return s.alive.run(ctx, s.Logger) })
	s.running.Go(func() error { return s.queue.run(ctx, s.settle, s.follow) })
	s.running.Go(func() error { s.sweep(ctx); return nil })
	s.running.Go(func() error { s.verifyOnSchedule(ctx); return nil })
	s.running.Go(func() error { s.pruneOnSchedule(ctx); return nil })
	s.running.Go(func() error { s.retain(ctx); return nil })
	s.running.Go(func() error { return s.notices.Run(ctx) })
	s.runtime.Load().start(ctx, nil)
	s.running.Go(func() error { s.discover(ctx); return nil })
	s.running.Go(func() error { return reloads(ctx) })
	ready()
	return s.running.Wait()
}

// close closes what openServices opened. The queue is closed late: workers give
// their tasks back to it, and notices write what they sent, on their way out.
func (s *services) close() error { return errors.Join(s.queue.closeLast(), s.catalog.Close()) }

// update puts another configuration in force. If a part of it can't be opened,
// the old one stays.
func (s *services) update(ctx context.Context, cfg *config.Config) error {
	s.updating.Lock()
	defer s.updating.Unlock()
	if err := s.replace(ctx, s.pinned(ctx, cfg)); err != nil {
		return err
	}
	if s.Level != nil {
		s.Level.Set(cfg.Log.Slog())
	}
	s.discovered.want()
	return nil
}

// replace replaces the runtime by that of a configuration and what was discovered. It
// is called with s.updating held.
func (s *services) replace(ctx context.Context, cfg *config.Config) error {
	old := s.runtime.Load()
	r, err := s.openRuntime(ctx, cfg)
	if err != nil {
		s.registries.keep(old.components)
		return err
	}
	if err := s.adopt(ctx, r); err != nil {
		return errors.Join(err, s.adopt(ctx, old))
	}
	r.start(ctx, old)
	s.registries.keep(r.components)
	return nil
}

// adopt makes r the runtime in force, and its plan the one that is in force from the
// next second on. The scheduler starts no slot meanwhile of packs that change or
// leave, and gets the new ones last: it asks the catalog about its packs, and what
// it publishes must be known everywhere.
func (s *services) adopt(ctx context.Context, r *runtime) error {
	s.scheduler.Freeze(r.plans())
	r.opened = r.open()
	since, err := s.plans.Adopt(r.archive, r.planned(), r.opened)
	if err != nil {
		return err
	}
	s.notices.Update(r.channels)
	s.catalog.Watch(r.archive, r.refs())
	s.runtime.Store(r)
	if err := s.queue.SetSources(ctx, r.limits()); err != nil {
		return err
	}
	return s.scheduler.Update(r.plans(), since)
}

// pinned returns cfg with what can't change while the process runs as it was at
// the start, and logs what that is.
func (s *services) pinned(ctx context.Context, cfg *config.Config) *config.Config {
	var changed []string
	for _, section := range []struct {
		key     string
		differs bool
	}{
		{"queue", fingerprint(cfg.Queue) != fingerprint(s.cfg.Queue)}, {"state_dir", cfg.StateDir != s.cfg.StateDir},
		{"web", cfg.Web != s.cfg.Web}, {"log.format", cfg.Log.Format != s.cfg.Log.Format},
	} {
		if section.differs {
			changed = append(changed, section.key)
		}
	}
	ledger := s.runtime.Load().cfg.Ledger
	if ledger != nil && cfg.Ledger != nil && ledger.Origin != cfg.Ledger.Origin {
		changed = append(changed, "ledger.origin")
	} else {
		ledger = nil
	}
	if len(changed) > 0 {
		s.Logger.WarnContext(ctx, "configuration needs a restart", "keys", changed)
	}
	pinned := *cfg
	if ledger != nil {
		pinned.Ledger = ledger
	}
	pinned.Queue, pinned.StateDir, pinned.Web, pinned.Log.Format = s.cfg.Queue, s.cfg.StateDir, s.cfg.Web, s.cfg.Log.Format
	return &pinned
}

// ready returns nil while the daemon does its work.
func (s *services) ready() error {
	q, err := s.queue.get()
	if err != nil {
		return err
	}
	if err := q.Ready(context.Background()); err != nil {
		return err
	}
	return s.scheduler.Ready()
}

// unknownPackDelay is how long a slot is put back when its pack is not in the
// configuration, so that a replica that has it can take it.
const unknownPackDelay = 5 * time.Second

// settle works on a task. One whose pack is not in the configuration is put back
// until its deadline: the pack may be in that of another replica, or in the next
// one. After that it is a gap.
func (s *services) settle(ctx context.Context, t scheduler.Task) time.Duration {
	r := s.runtime.Load()
	if r.has(t.Ref()) {
		return r.archive.Settle(ctx, t)
	}
	log := s.Logger.With("source", t.Source, "pack", t.Pack, "due", t.Due)
	if time.Now().Before(t.Deadline) {
		if t.Delivered <= 1 {
			log.InfoContext(ctx, "slot of unknown pack put back")
		} else {
			log.DebugContext(ctx, "slot of unknown pack put back")
		}
		return unknownPackDelay
	}
	if err := r.archive.Gap(ctx, t.Slot, fault.Deadline, "the pack was not scheduled any more"); err != nil {
		log.WarnContext(ctx, "gap not recorded", "reason", fault.Of(err), "err", err)
		return unknownPackDelay
	}
	log.WarnContext(ctx, "slot of unknown pack recorded as a gap")
	return 0
}

// gap records a gap; it is scheduler.Options.Gap.
func (s *services) gap(ctx context.Context, slot evidence.Slot, reason fault.Reason, detail string) error {
	return s.runtime.Load().archive.Gap(ctx, slot, reason, detail)
}

// entries returns the packs of the configuration in force. The slice must not be
// changed.
func (s *services) entries() []config.Entry {
	if r := s.runtime.Load(); r != nil {
		return r.components.entries
	}
	return nil
}
