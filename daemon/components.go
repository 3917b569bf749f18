package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"

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

// components are what a configuration opens: the archive and one fetcher per
// source. They start no goroutine.
type components struct {
	*archive.Archive
	cfg     *config.Config
	entries []config.Entry
	bounds  map[string]fetcher.Bounds
	part    func(source string) float64 // how much of a source's bounds is ours, set before any call is made; nil = all
	logger  *slog.Logger
}

// ArchiveOptions say how [OpenArchive] opens the archive. Required fields are
// marked.
type ArchiveOptions struct {
	ReadOnly bool         // open the sinks alone: no credentials of a source and no state folder are needed
	Tool     string       // "packseal/<version>", for records and servers
	Logger   *slog.Logger // required
	Tracer   trace.Tracer // nil = no traces

	catalog *catalog.Catalog // the daemon's; nil = none
}

// OpenArchive opens the archive of a configuration for one verb, apart from any
// daemon.
func OpenArchive(ctx context.Context, cfg *config.Config, o ArchiveOptions) (*archive.Archive, error) {
	c, err := open(ctx, cfg, o, prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	return c.Archive, nil
}

// sinkTries is how often one call of a sink is made before the slot waits.
const sinkTries = 3

// open opens what the configuration names.
func open(ctx context.Context, cfg *config.Config, o ArchiveOptions, reg prometheus.Registerer) (*components, error) {
	c := &components{cfg: cfg, entries: cfg.Entries(), bounds: make(map[string]fetcher.Bounds), logger: o.Logger}
	sinks, err := openSinks(ctx, cfg, reg)
	if err != nil {
		return nil, err
	}
	identity, err := sinksIdentity(cfg)
	if err != nil {
		return nil, err
	}
	a := archive.Options{Sinks: sinks, Identity: identity, Tool: o.Tool, Logger: o.Logger, Metrics: archive.NewMetrics(reg), Tracer: o.Tracer}
	if o.catalog != nil {
		a.Observers, a.Attempt = []func(catalog.Event){o.catalog.Observe}, o.catalog.Attempt
	}
	for _, e := range c.entries {
		a.Packs = append(a.Packs, e.Pack)
	}
	if !o.ReadOnly {
		if a.Spool, err = fetcher.OpenSpool(filepath.Join(cfg.StateDir, "spool")); err != nil {
			return nil, err
		}
		a.Spool.RegisterMetrics(reg)
		if a.Fetch, err = c.openSources(reg, o.Tool); err != nil {
			return nil, err
		}
	}
	c.Archive, err = archive.New(a)
	return c, err
}

// sinksIdentity tells archives in different sinks apart.
func sinksIdentity(cfg *config.Config) (string, error) {
	b, err := json.Marshal(cfg.Sinks)
	return fmt.Sprintf("%x", sha256.Sum256(b)), err
}

// openSinks opens every sink, with its metrics, its spans and its retries around it.
func openSinks(ctx context.Context, cfg *config.Config, reg prometheus.Registerer) ([]archive.Target, error) {
	names := make([]string, len(cfg.Sinks))
	for i, s := range cfg.Sinks {
		names[i] = s.Name
	}
	metrics := sink.NewMetrics(reg, names)
	targets := make([]archive.Target, len(cfg.Sinks))
	for i, s := range cfg.Sinks {
		opened, err := s.Opener().Open(ctx)
		if err != nil {
			return nil, fmt.Errorf("opening sink %s: %w", s.Name, err)
		}
		targets[i] = archive.Target{Name: s.Name, Sink: sink.Retrying(sink.Traced(sink.Measured(opened, s.Name, metrics), s.Name), fault.Backoff{}, sinkTries)}
	}
	return targets, nil
}

// fetch gets a slot's report; it is archive.Options.Fetch.
type fetch = func(context.Context, *fetcher.Entry, evidence.Slot) (fetcher.Report, error)

// openSources opens every source and returns what fetches a pack's report
// from the right one.
func (c *components) openSources(reg prometheus.Registerer, tool string) (fetch, error) {
	fetchers := make(map[string]*fetcher.Fetcher)
	for name, s := range c.cfg.Sources {
		logger := c.logger.With("source", name)
		own := prometheus.WrapRegistererWith(prometheus.Labels{"source": name}, reg)
		opener := s.Opener()
		source, err := opener.Open(fetcher.Env{Registerer: own, Logger: logger, UserAgent: tool, Share: func() float64 {
			if c.part == nil {
				return 1
			}
			return c.part(name)
		}})
		if err != nil {
			return nil, fmt.Errorf("opening source %s: %w", name, err)
		}
		c.bounds[name] = opener.Bounds()
		fetchers[name], err = fetcher.New(fetcher.Options{
			Source: source, Bounds: opener.Bounds(), Settings: c.cfg.Fetch, Logger: logger, Registerer: own,
		})
		if err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, e *fetcher.Entry, s evidence.Slot) (fetcher.Report, error) {
		return fetchers[s.Source].Fetch(ctx, e, s)
	}, nil
}
