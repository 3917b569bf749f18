package daemon

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// components are what a configuration opens: the archive over its sinks, and
// one fetcher per source. They start no goroutine.
type components struct {
	cfg     *config.Config
	entries []config.Entry
	packs   map[evidence.PackRef]config.Entry
	idle    []config.Entry // that are disabled
	sources map[string]source
	due     map[dueTogether]int // how many packs with an evaluation fall due together
	sinks   map[string]*openSink
	archive *archive.Archive
	ledger  *openLedger                                                       // nil = none, or for reading alone
	planned func(context.Context, evidence.PackRef) (sinks []string, ok bool) // opening.planned
}

// dueTogether tells slots that fall due at the same time from others.
type dueTogether struct{ source, schedule, zone string }

// together returns with what a pack's slots fall due.
func together(e config.Entry) dueTogether { return dueTogether{e.Source, e.Schedule, e.TimeZone} }

// count counts a pack with an evaluation.
func (c *components) count(e config.Entry) {
	if e.Evaluate > 0 {
		c.due[together(e)]++
	}
}

// source is an open source, and the fingerprint of what it was opened from.
type source struct {
	*fetcher.Fetcher
	bounds fetcher.Bounds
	key    string
}

// openSink is a sink with its metrics, spans and retries around it, and the
// fingerprint of what it was opened from.
type openSink struct {
	archive.Target
	key string
}

// opening is what components are opened with.
type opening struct {
	tool       string
	logger     *slog.Logger
	tracer     trace.Tracer
	spool      *fetcher.Spool // nil: for reading alone, without sources
	spooled    func(evidence.Slot) (fetcher.Report, bool)
	verifier   string // of the ledger; "" = the configuration's
	catalog    *catalog.Catalog
	metrics    *archive.Metrics
	blocked    func(evidence.Slot, error, time.Time)
	registries *registries
	leads      func() bool                                                                       // whether this replica does what one does for all; nil: for one verb
	planned    func(context.Context, evidence.PackRef) (sinks []string, ok bool)                 // by the last plan that has the pack; may be nil
	plans      func(context.Context) (records map[string]evidence.Plan, pending bool, err error) // in the archive; nil with leads
	part       func(source string) float64                                                       // this process's part of a source's rate; nil = all
	observe    func(catalog.Event)
	seen       func(context.Context) iter.Seq2[catalog.Listed, error]
	container  func(m evidence.Manifest, detail string) // archive.Options.NewContainer; may be nil
	old        *components                              // whose sources and sinks are taken over if they are as before; may be nil
}

// open opens what the configuration names.
func (o opening) open(ctx context.Context, cfg *config.Config) (_ *components, err error) {
	c := &components{
		cfg: cfg, entries: cfg.Entries(), idle: cfg.Disabled(), planned: o.planned,
		packs: make(map[evidence.PackRef]config.Entry), due: make(map[dueTogether]int),
	}
	a := archive.Options{
		Tool: o.tool, Logger: o.logger, Identity: fingerprint(cfg.Sinks), Metrics: o.metrics, Tracer: o.tracer, Spool: o.spool, Spooled: o.spooled, Seen: o.seen, NewContainer: o.container,
		Blocked: o.blocked, Within: make(map[evidence.PackRef]time.Duration),
	}
	if o.observe != nil {
		a.Observers = []func(catalog.Event){o.observe}
	}
	if o.catalog != nil {
		a.Observers, a.Attempt, a.Seen = []func(catalog.Event){o.catalog.Observe}, o.catalog.Attempt, o.catalog.Seen
	}
	for _, e := range c.idle {
		a.Packs = append(a.Packs, e.Pack)
	}
	for _, e := range c.entries {
		c.packs[e.PackRef] = e
		c.count(e)
		a.Packs = append(a.Packs, e.Pack)
		a.Within[e.PackRef] = e.Jitter + e.Timeout + overdueAfter
	}
	a.Keep = c.keeping
	if c.sinks, err = o.openSinks(ctx, cfg); err != nil {
		return nil, err
	}
	for _, s := range cfg.Sinks {
		a.Sinks = append(a.Sinks, c.sinks[s.Name].Target)
	}
	view := o.ledgerView(cfg, a.Sinks)
	if view != nil {
		a.Entries, a.Inspect = view.entries, view.inspect
	}
	if cfg.Ledger != nil {
		a.LogWithin = 2 * cfg.Ledger.Interval // 0 where that is the default, as this one is then
	}
	if o.spool != nil {
		if c.sources, err = o.openSources(cfg); err != nil {
			return nil, err
		}
		a.Fetch = c.fetch
		if c.ledger, err = o.openLedger(cfg, a.Sinks); err != nil {
			return nil, err
		}
		if c.ledger != nil {
			a.Ledger = c.ledger
			a.Pruned = c.ledger.prunedIn(prunedInView(view))
			if o.leads != nil {
				a.LoggedPlans = c.ledger.loggedPlans
			}
		}
	} else if view != nil {
		a.Pruned = prunedInView(view)
	} else if cfg.StateDir == "" {
		a.Pruned = prunedUnasked(a.Sinks)
	}
	c.archive, err = archive.New(a)
	return c, err
}

// keeping returns the names of the sinks that are to keep a pack's reports; nil = all.
// A pack that is not in the configuration, because it left or is not discovered yet, is
// kept in those that its last plan names.
func (c *components) keeping(ctx context.Context, p evidence.PackRef) []string {
	if e, ok := c.packs[p]; ok {
		return e.Sinks
	}
	for _, e := range c.idle {
		if e.PackRef == p {
			return e.Sinks
		}
	}
	if c.planned != nil {
		if sinks, ok := c.planned(ctx, p); ok {
			return sinks
		}
	}
	return c.cfg.Former(p, "").Sinks
}

// fetch gets a slot's report from its source, after an evaluation of the pack's rules
// if there is to be one.
func (c *components) fetch(ctx context.Context, e *fetcher.Entry, s evidence.Slot) (fetcher.Report, error) {
	source := c.sources[s.Source]
	if longest := c.longest(c.packs[s.Ref()], source.bounds.MaxInFlight); longest > 0 {
		source.Evaluate(ctx, e, s, longest)
	}
	return source.Fetch(ctx, e, s)
}

// longest returns how long an evaluation is waited for, if so many reports of the source
// may be in the making at once. More packs than that share half of the time that each
// has, so that the last one still has time for its report.
func (c *components) longest(e config.Entry, places int) time.Duration {
	n := c.due[together(e)]
	if n <= places {
		return e.Evaluate
	}
	return min(e.Evaluate, time.Duration(float64(e.Timeout/2)*float64(places)/float64(n)))
}

// sinkTries is how often one call of a sink is made before the slot waits.
const sinkTries = 3

// openSinks opens every sink that is not open already.
func (o opening) openSinks(ctx context.Context, cfg *config.Config) (map[string]*openSink, error) {
	sinks := make(map[string]*openSink, len(cfg.Sinks))
	for _, s := range cfg.Sinks {
		key := fingerprint(s)
		if o.old != nil {
			if old := o.old.sinks[s.Name]; old != nil && old.key == key {
				sinks[s.Name] = old
				continue
			}
		}
		opened, err := s.Opener().Open(ctx)
		if err != nil {
			return nil, fmt.Errorf("opening sink %s: %w", s.Name, err)
		}
		measured := sink.Measured(opened, s.Name, o.registries.sink(s.Name))
		sinks[s.Name] = &openSink{archive.Target{Name: s.Name, Sink: sink.Retrying(sink.Traced(measured, s.Name), fault.Backoff{}, sinkTries)}, key}
	}
	return sinks, nil
}

// openSources opens every source that is not open already.
func (o opening) openSources(cfg *config.Config) (map[string]source, error) {
	sources := make(map[string]source, len(cfg.Sources))
	for _, name := range slices.SortedFunc(maps.Keys(cfg.Sources), parentsFirst(cfg)) {
		if !cfg.Enabled(name) {
			continue
		}
		s := cfg.Sources[name]
		s.Discover, s.Accounts, s.Sinks = config.Discover{}, nil, nil // not what the source is opened with
		member, _ := cfg.Member(name)
		parent := sources[member.Parent]
		key := fingerprint(struct {
			Source config.Source
			Fetch  fetcher.Settings
			Parent string
		}{s, cfg.Fetch, parent.key})
		var old source
		if o.old != nil {
			old = o.old.sources[name]
		}
		if old.key == key {
			sources[name] = old
			continue
		}
		opened, err := o.openSource(name, s, cfg.Fetch, old, parent)
		if err != nil {
			return nil, fmt.Errorf("opening source %s: %w", name, err)
		}
		opened.key = key
		sources[name] = opened
	}
	return sources, nil
}

// parentsFirst orders sources so that those of accounts come after what lists them.
func parentsFirst(cfg *config.Config) func(a, b string) int {
	rank := func(name string) int {
		if _, ok := cfg.Member(name); ok {
			return 1
		}
		return 0
	}
	return func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) }
}

// openSource opens one source, in the place of an old one. That of an account has a
// parent. The zero source: there is none.
func (o opening) openSource(name string, s config.Source, settings fetcher.Settings, old, parent source) (source, error) {
	logger := o.logger.With("source", name)
	reg := prometheus.WrapRegistererWith(prometheus.Labels{"source": name}, o.registries.source(name))
	opener := s.Opener()
	env := fetcher.Env{Registerer: reg, Logger: logger, UserAgent: o.tool}
	if old.Fetcher != nil {
		env.Old = old.Source()
	}
	if parent.Fetcher != nil {
		env.Parent = parent.Source()
	}
	if o.part != nil {
		env.Share = func() float64 { return o.part(name) }
	}
	opened, err := opener.Open(env)
	if err != nil {
		return source{}, err
	}
	f, err := fetcher.New(fetcher.Options{Source: opened, Bounds: opener.Bounds(), Settings: settings, Logger: logger, Registerer: reg})
	return source{Fetcher: f, bounds: opener.Bounds()}, err
}

// ArchiveOptions say how [OpenArchive] opens the archive. Required fields are
// marked.
type ArchiveOptions struct {
	ReadOnly bool         // open the sinks alone: no credentials of a source and no state folder are needed
	Tool     string       // "packseal/<version>", for records and servers
	Logger   *slog.Logger // required
	Tracer   trace.Tracer // nil = no traces
	Verifier string       // the verifier key of the ledger; default: that of the configuration

	// Observe is told of each slot that is settled, as [archive.Options].Observers
	// are. May be nil.
	Observe func(catalog.Event)
	// Seen yields the slots that a catalog has seen in the archive, for
	// [archive.Archive.Verify]. May be nil.
	Seen func(context.Context) iter.Seq2[catalog.Listed, error]
}

// OpenArchive opens the archive of a configuration for one verb, apart from any
// daemon.
func OpenArchive(ctx context.Context, cfg *config.Config, o ArchiveOptions) (*archive.Archive, error) {
	c, _, err := o.open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return c.archive, nil
}

// open opens what OpenArchive does, and returns what it was opened with.
func (o ArchiveOptions) open(ctx context.Context, cfg *config.Config) (_ *components, open opening, err error) {
	open = opening{tool: o.Tool, logger: o.Logger, tracer: o.Tracer, verifier: o.Verifier, observe: o.Observe, seen: o.Seen, registries: newRegistries()}
	switch spool := filepath.Join(cfg.StateDir, "spool"); {
	case !o.ReadOnly:
		if open.spool, err = fetcher.OpenSpool(spool); err != nil {
			return nil, open, err
		}
	case cfg.StateDir != "": // a copy of an archive has none
		open.spooled = fetcher.ReadSpool(spool).Report
	}
	c, err := open.open(ctx, cfg)
	return c, open, err
}
