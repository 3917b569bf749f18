package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/archive"
	"packseal.example/config"
	"packseal.example/fetcher"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// house is what a configuration comes to: the archive, and for each source
// what fetches its reports. It holds no goroutine.
type house struct {
	*archive.Archive
	cfg     *config.Config
	entries []config.Entry
	bounds  map[string]fetcher.Bounds
	part    func(source string) float64 // how much of a source's bounds is ours, set before any call is made; nil = all
	logger  *slog.Logger
}

// sinkTries is how often one call of a sink is made before the slot waits.
const sinkTries = 3

// build wires a configuration. With reading it needs no credentials of the
// sources and no state folder: only the sinks.
func build(ctx context.Context, cfg *config.Config, reg prometheus.Registerer, logger *slog.Logger, reading bool) (*house, error) {
	h := &house{cfg: cfg, entries: cfg.Entries(), bounds: make(map[string]fetcher.Bounds), logger: logger}
	sinks, err := openSinks(ctx, cfg, reg)
	if err != nil {
		return nil, err
	}
	o := archive.Options{Sinks: sinks, Tool: tool(), Logger: logger, Registerer: reg}
	for _, e := range h.entries {
		o.Packs = append(o.Packs, e.Pack)
	}
	if !reading {
		if o.Spool, err = fetcher.OpenSpool(filepath.Join(cfg.StateDir, "spool")); err != nil {
			return nil, err
		}
		o.Spool.RegisterMetrics(reg)
		if o.Fetch, err = h.openSources(reg); err != nil {
			return nil, err
		}
	}
	h.Archive, err = archive.New(o)
	return h, err
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
func (h *house) openSources(reg prometheus.Registerer) (fetch, error) {
	fetchers := make(map[string]*fetcher.Fetcher)
	for name, s := range h.cfg.Sources {
		logger := h.logger.With("source", name)
		own := prometheus.WrapRegistererWith(prometheus.Labels{"source": name}, reg)
		opener := s.Opener()
		source, err := opener.Open(fetcher.Env{Registerer: own, Logger: logger, UserAgent: tool(), Share: func() float64 {
			if h.part == nil {
				return 1
			}
			return h.part(name)
		}})
		if err != nil {
			return nil, fmt.Errorf("opening source %s: %w", name, err)
		}
		h.bounds[name] = opener.Bounds()
		fetchers[name], err = fetcher.New(fetcher.Options{
			Source: source, Bounds: opener.Bounds(), Settings: h.cfg.Fetch, Logger: logger, Registerer: own,
		})
		if err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, e *fetcher.Entry, s evidence.Slot) (fetcher.Report, error) {
		return fetchers[s.Source].Fetch(ctx, e, s)
	}, nil
}

// choose returns the entries of the packs named, by key or by source and key;
// of all, when none is named.
func (h *house) choose(names []string) ([]config.Entry, error) {
	if len(names) == 0 {
		return h.entries, nil
	}
	var chosen []config.Entry
	for _, name := range names {
		before := len(chosen)
		for _, e := range h.entries {
			if key := e.Pack.Key(); name == key || name == e.Pack.ID || name == e.Pack.Source+"/"+key {
				chosen = append(chosen, e)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("%w: no pack %q in the configuration", errUsage, name)
		}
	}
	return chosen, nil
}
