package daemon

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"packseal.example/config"
	"packseal.example/control"
	"packseal.example/fetcher"
	"packseal.example/fetcher/discovery"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/notify"
)

// tellChanges sends notices of what a look at a source has changed. Before everything
// was listed once, that a pack is kept is no news, unless the account is new. old is
// the runtime from before, which has the packs that are gone.
func (s *services) tellChanges(old *runtime, l listed) {
	source, changes := l.source, l.changes
	known := l.before.Known() || s.newMember(old.cfg, source)
	judge, now := s.runtime.Load().cfg.Judge(source), time.Now().UTC().Truncate(time.Second)
	event := func(p discovery.Pack, e config.Entry) notify.Event {
		return notify.Event{Source: source, Pack: p.Ref(source).Key(), Name: cmp.Or(e.Name, p.Name), Labels: e.Labels, Zone: e.TimeZone, At: now}
	}
	was := make(map[evidence.PackRef]config.Verdict, len(l.before.Packs))
	for _, p := range l.before.Packs {
		was[p.Ref(source)] = judge(p.PackInfo).Verdict
	}
	for _, p := range l.after.Packs {
		j := judge(p.PackInfo)
		if j.Verdict == was[p.Ref(source)] {
			continue
		}
		e := event(p, s.named(p.Ref(source)))
		switch {
		case j.Verdict == config.NotKept:
			s.Logger.Warn("pack not kept", "source", source, "pack", e.Pack, "name", e.Name)
			s.notices.NotKept(e)
		case j.Verdict == config.Kept && j.Rule > 0 && known:
			_, e.Due = s.scheduler.Due(source, e.Pack)
			s.Logger.Info("pack found", "source", source, "pack", e.Pack, "name", e.Name, "due", e.Due)
			s.notices.Found(e)
		}
	}
	for _, p := range changes.Gone {
		e := event(p, old.packs[p.Ref(source)])
		s.Logger.Warn("pack gone", "source", source, "pack", e.Pack, "name", e.Name)
		if judge(p.PackInfo).Verdict == config.Kept {
			s.notices.Gone(e)
		}
	}
}

// verdicts counts the packs of a source as [sourcePacks] describes them. Of a source
// that is disabled, none is missed.
func verdicts(cfg *config.Config, source string, st discovery.State, entries []config.Entry) map[config.Verdict]int {
	n, seen := make(map[config.Verdict]int), make(map[evidence.PackRef]bool, len(st.Packs))
	judge, now := cfg.Judge(source), time.Now()
	for _, p := range st.Packs {
		seen[p.Ref(source)] = true
		n[judge(p.PackInfo).Verdict]++
	}
	for _, e := range entries {
		if !seen[e.PackRef] {
			n[e.Verdict(now)]++
		}
	}
	if !cfg.Enabled(source) {
		n[config.Disabled] += n[config.NotKept]
		n[config.NotKept] = 0
	}
	return n
}

// inventory describes the packs that a source has, or those of each source.
func inventory(cfg *config.Config, found map[string]discovery.State, source string) []control.SourcePacks {
	all := []control.SourcePacks{}
	entries := config.BySource(slices.Concat(cfg.Entries(), cfg.Disabled()))
	for _, name := range slices.Sorted(maps.Keys(cfg.Sources)) {
		if among(name, source) {
			all = append(all, sourcePacks(cfg, name, found[name], entries[name]))
		}
	}
	return all
}

// sourcePacks describes the packs of one source: those that it has, and those of the
// file that it was not seen to have.
func sourcePacks(cfg *config.Config, source string, st discovery.State, entries []config.Entry) control.SourcePacks {
	member, _ := cfg.Member(source)
	of := control.SourcePacks{
		Source: source, Account: member.ID, AccountName: member.Name, Disabled: !cfg.Enabled(source), Discovers: cfg.Discovers(source),
		Tried: st.Tried, Listed: st.Listed, Packs: []control.FoundPack{},
	}
	for _, t := range st.Troubles {
		of.Troubles = append(of.Troubles, control.ListTrouble{Problem: *control.NewProblem(t.Err()), Aggregator: t.Aggregator, Passing: t.Passing})
	}
	if own := evidence.MemberSource(source, st.Account()); st.Account() != "" {
		if m, ok := cfg.Member(own); ok && !m.Named && cfg.Enabled(own) {
			twice := fault.New(fault.Request, "%s is the account of %s itself: its packs are there twice", own, source).
				WithHint("leave it out: accounts: {rules: [{match: {id: %q}, keep: false}, …]}", m.ID)
			of.Troubles = append(of.Troubles, control.ListTrouble{Problem: *control.NewProblem(twice), Passing: true})
		}
	}
	judge, seen, planned := cfg.Judge(source), make(map[evidence.PackRef]bool, len(st.Packs)), make(map[evidence.PackRef]config.Entry)
	for _, e := range entries {
		planned[e.PackRef] = e
	}
	now := time.Now()
	for _, p := range st.Packs {
		seen[p.Ref(source)] = true
		j := judge(p.PackInfo)
		f := control.FoundPack{
			Source: source, ID: p.ID, Aggregator: p.Aggregator, Name: p.Name, Account: p.Account, Status: p.Status, Risk: config.RiskWord(p.Risk), Template: p.Template, Tags: p.Tags,
			State: string(j.Verdict), Until: planned[p.Ref(source)].Plan.Until, Rule: j.Rule, Found: p.Found, Missed: p.Missed,
		}
		if e, ok := planned[p.Ref(source)]; ok {
			f.Schedule, f.TimeZone, f.Sinks, f.Labels = e.Schedule, e.TimeZone, e.Sinks, e.Labels
		}
		of.Packs = append(of.Packs, f)
	}
	for _, e := range entries {
		if !seen[e.PackRef] {
			of.Packs = append(of.Packs, control.FoundPack{
				Source: source, ID: e.Pack.ID, Aggregator: e.Pack.Aggregator, Name: e.Pack.Name, State: string(e.Verdict(now)), Until: e.Plan.Until,
				Schedule: e.Schedule, TimeZone: e.TimeZone, Sinks: e.Sinks, Labels: e.Labels, Unseen: notListedIn(cfg, st, e),
			})
		}
	}
	return of
}

// notListedIn reports whether listings of the source have not shown a pack that they would
// show: there is none of other kinds, and none of a source that is not listed.
func notListedIn(cfg *config.Config, st discovery.State, e config.Entry) bool {
	return st.Known() && cfg.Enabled(e.Pack.Source) && (e.IsCompliancePack() || e.Kind() == evidence.Template)
}

// Packs implements [control.Operator].
func (c controlled) Packs(ctx context.Context, source string, refresh bool) ([]control.SourcePacks, error) {
	if _, ok := c.runtime.Load().cfg.Sources[source]; source != "" && !ok {
		return nil, c.unknownName(source)
	}
	if refresh {
		if _, err := c.queue.get(); err != nil { // until it is open, nothing is scheduled
			return nil, err
		}
		if err := c.discovered.refreshNow(ctx, source); err != nil {
			return nil, err
		}
	}
	return inventory(c.runtime.Load().cfg, c.discovered.all(), source), nil
}

// ListPacks lists the packs of sources, or of one, apart from any daemon. What a
// daemon has kept in the state folder is read, and not changed.
func ListPacks(ctx context.Context, cfg *config.Config, source, tool string) ([]control.SourcePacks, error) {
	parent, _, _ := evidence.SplitMember(source)
	with, states, err := listApart(ctx, cfg, tool, func(_ *config.Config, name string) bool {
		return name == parent || among(name, source)
	})
	if err != nil {
		return nil, err
	}
	if _, ok := with.Sources[source]; source != "" && !ok {
		return nil, fault.New(fault.NotFound, "%s has no account of that ID, or a rule of accounts leaves it out: %s", parent, source)
	}
	return inventory(with, states, source), nil
}

// Discover lists the packs of those sources of which rules keep some, as [ListPacks]
// does, and returns the configuration with what was found, and all that could not be
// listed.
func Discover(ctx context.Context, cfg *config.Config, tool string) (*config.Config, []control.SourcePacks, error) {
	with, states, err := listApart(ctx, cfg, tool, (*config.Config).NeedsListing)
	if err != nil {
		return nil, nil, err
	}
	return with, slices.DeleteFunc(inventory(with, states, ""), func(s control.SourcePacks) bool { return !with.NeedsListing(s.Source) }), nil
}

// listApart lists those sources of a configuration, and the accounts that they have.
func listApart(ctx context.Context, cfg *config.Config, tool string, which func(cfg *config.Config, source string) bool) (*config.Config, map[string]discovery.State, error) {
	states, err := discovery.Load(cfg.StateDir)
	if err != nil || states == nil {
		states = make(map[string]discovery.State) // everything is listed anyway
	}
	all := lister{tool: tool, states: states, opened: make(map[string]fetcher.Source)}
	for range 2 { // the second time, accounts that the first one found
		with := cfg.With(states)
		if err := all.list(ctx, with, func(source string) bool { return which(with, source) }); err != nil {
			return nil, nil, err
		}
	}
	return cfg.With(states), states, nil
}

// lister lists sources apart from any daemon.
type lister struct {
	tool string

	mu     sync.Mutex
	states map[string]discovery.State
	opened map[string]fetcher.Source
}

// list lists those sources of a configuration that are not listed yet.
func (l *lister) list(ctx context.Context, cfg *config.Config, which func(name string) bool) error {
	listing, ctx := errgroup.WithContext(ctx)
	listing.SetLimit(listedAtOnce)
	for _, name := range slices.SortedFunc(maps.Keys(cfg.Sources), parentsFirst(cfg)) {
		if l.opened[name] != nil || !which(name) || !cfg.Enabled(name) {
			continue
		}
		env := fetcher.Env{Logger: slog.New(slog.DiscardHandler), UserAgent: l.tool}
		if member, ok := cfg.Member(name); ok {
			env.Parent = l.opened[member.Parent]
		}
		opened, err := cfg.Sources[name].Opener().Open(env)
		if err != nil {
			return err
		}
		l.opened[name] = opened
		from, ok := opened.(fetcher.Lister)
		if !ok {
			continue
		}
		listing.Go(func() error {
			l.mu.Lock()
			before := l.states[name]
			l.mu.Unlock()
			st, _, err := discovery.Refresh(ctx, from, name, cfg.Scope(name), before)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.states[name] = st
			return err
		})
	}
	return listing.Wait()
}

// WithDiscovered returns the configuration with the packs that the daemon of its
// state folder has discovered, and the names of all. An error is returned beside the
// configuration without them, if a source discovers packs.
func WithDiscovered(cfg *config.Config) (*config.Config, error) {
	found, err := discovery.Load(cfg.StateDir)
	if !slices.ContainsFunc(slices.Collect(maps.Keys(cfg.Sources)), cfg.NeedsListing) {
		err = nil // names are a convenience
	}
	return cfg.With(found), err
}

// discoveryCollector shows how many packs each source has, and whether they could be
// listed.
type discoveryCollector struct{ *services }

var (
	descFound = prometheus.NewDesc("packseal_discovery_packs",
		"Packs that the source was found to have, or that the configuration names, by what is done with them: kept, not_kept, excluded by a rule, creating, disabled, ended. Absent before all were listed once.", []string{"source", "state"}, nil)
	descListed = prometheus.NewDesc("packseal_discovery_last_refresh_successful",
		"Whether the last listing of the source was complete. Only of sources that discover packs or have accounts.", []string{"source"}, nil)
)

// Describe implements [prometheus.Collector].
func (discoveryCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- descFound
	ch <- descListed
	ch <- descAccounts
}

// Collect implements [prometheus.Collector].
func (c discoveryCollector) Collect(ch chan<- prometheus.Metric) {
	r := c.runtime.Load()
	if r == nil {
		return
	}
	entries := config.BySource(slices.Concat(r.entries, r.idle))
	for source := range r.cfg.Sources {
		st := c.discovered.of(source)
		c.accounts(ch, r.cfg, source, st)
		if st.Known() {
			n := verdicts(r.cfg, source, st, entries[source])
			for _, v := range config.Verdicts() {
				ch <- prometheus.MustNewConstMetric(descFound, prometheus.GaugeValue, float64(n[v]), source, string(v))
			}
		}
		if r.cfg.NeedsListing(source) && !st.Tried.IsZero() {
			ok := 0.0
			if st.Failing() == nil {
				ok = 1
			}
			ch <- prometheus.MustNewConstMetric(descListed, prometheus.GaugeValue, ok, source)
		}
	}
}
