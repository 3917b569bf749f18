package daemon

import (
	"context"
	"slices"
	"time"

	"packseal.example/config"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/notify"
	"packseal.example/scheduler"
)

// runtime is what one configuration runs: what it opens, its notification
// channels, and the draining of the spool into its sinks.
type runtime struct {
	*components
	services  *services
	file      *config.Config  // without the packs that were discovered, which cfg has
	opened    map[string]bool // see open, when the plan was put into force
	channels  []notify.Entry
	stop      context.CancelFunc // ends draining
	drained   chan struct{}      // closed when it has ended
	committed chan struct{}      // closed when nothing is appended to its ledger any more
}

// openRuntime opens what the configuration names and what was discovered. What is as
// in the runtime in force is taken over.
func (s *services) openRuntime(ctx context.Context, file *config.Config) (*runtime, error) {
	cfg := file.With(s.discovered.all())
	o := opening{
		tool: s.tool(), logger: s.Logger, tracer: s.Tracer, spool: s.spool, catalog: s.catalog, metrics: s.archive, blocked: s.blocked,
		registries: s.registries, leads: s.leads, part: s.queue.part, planned: s.plans.Sinks, plans: s.plans.Recorded, container: s.notifyContainer,
	}
	old := s.runtime.Load()
	if old != nil {
		o.old = old.components
	}
	c, err := o.open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	channels, err := cfg.Channels(notify.Env{UserAgent: s.tool()})
	return &runtime{components: c, services: s, file: file, channels: channels, drained: make(chan struct{}), committed: make(chan struct{})}, err
}

// start runs the runtime until ctx ends or another one starts in its place. It
// ends what old runs and this one does not take over.
func (r *runtime) start(ctx context.Context, old *runtime) {
	if old != nil {
		old.stop()
		<-old.drained
	}
	draining, stop := context.WithCancel(ctx)
	r.stop = stop
	r.services.running.Go(func() error {
		defer close(r.drained)
		return r.archive.Drain(draining)
	})
	r.services.running.Go(func() error { return r.keepLedger(draining, old) })
	r.services.running.Go(func() error {
		r.recheckSinks(draining)
		return nil
	})
}

// recheckEvery is how often a sink that is down is asked whether it is back.
const recheckEvery = 30 * time.Second

// recheckSinks asks the sinks that are down again, until ctx ends.
func (r *runtime) recheckSinks(ctx context.Context) {
	for fault.Sleep(ctx, recheckEvery) {
		for name, s := range r.sinks {
			r.services.registries.sink(name).Recheck(ctx, name, s)
		}
	}
}

// has reports whether the configuration has the pack.
func (r *runtime) has(p evidence.PackRef) bool {
	_, ok := r.packs[p]
	return ok
}

// refs returns the configuration's packs, also those that are disabled.
func (r *runtime) refs() []evidence.PackRef {
	refs := make([]evidence.PackRef, 0, len(r.entries)+len(r.idle))
	for _, e := range slices.Concat(r.entries, r.idle) {
		refs = append(refs, e.PackRef)
	}
	return refs
}

// plans returns the packs' plans.
func (r *runtime) plans() []scheduler.Plan {
	plans := make([]scheduler.Plan, len(r.entries))
	for i, e := range r.entries {
		plans[i] = e.Plan
	}
	return plans
}

// planned returns the packs' schedules, for the record.
func (r *runtime) planned() []evidence.PlannedPack {
	planned := make([]evidence.PlannedPack, len(r.entries))
	for i, e := range r.entries {
		s := e.Plan.Schedule
		planned[i] = evidence.PlannedPack{Source: e.Plan.Source, Pack: e.Plan.Pack, Schedule: s.String(), Since: e.Plan.Since.UTC(), Sinks: e.Sinks, Until: e.Plan.Until.UTC(), Zone: s.Zone()}
	}
	return planned
}

// open returns the sources that discover packs and were not listed yet, and those whose
// accounts were not, with a dot after the name.
func (r *runtime) open() map[string]bool {
	open := make(map[string]bool)
	for name, s := range r.cfg.Sources {
		st := r.services.discovered.of(name)
		if r.cfg.Discovers(name) && !st.Known() {
			open[name] = true
		}
		if s.Accounts != nil && r.cfg.Enabled(name) && st.AccountsListed.IsZero() {
			open[evidence.MemberSource(name, "")] = true
		}
	}
	return open
}

// limits returns how many reports of each source may be in the making at once.
func (r *runtime) limits() map[string]int {
	limits := make(map[string]int, len(r.sources))
	for name, s := range r.sources {
		limits[name] = s.bounds.MaxInFlight
	}
	return limits
}
