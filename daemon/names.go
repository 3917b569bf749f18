package daemon

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"packseal.example/config"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// namesEvery is how often sources are asked for the names of packs, which people
// may change.
const namesEvery = 24 * time.Hour

// names are what sources call the packs that the configuration gives no name.
type names struct {
	mu      sync.Mutex
	of      map[evidence.PackRef]string
	entries []config.Entry // of the runtime named, with names
	runtime *runtime
	wanted  chan struct{} // has one when there may be packs to name
}

func newNames() *names { return &names{wanted: make(chan struct{}, 1)} }

// want has the sources asked soon.
func (n *names) want() {
	select {
	case n.wanted <- struct{}{}:
	default:
	}
}

// name returns what the source calls a pack, or "".
func (n *names) name(p evidence.PackRef) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.of[p]
}

// set replaces the names.
func (n *names) set(of map[evidence.PackRef]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.of, n.runtime = of, nil
}

// fill returns the runtime's packs with names. The slice must not be changed.
func (n *names) fill(r *runtime) []config.Entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.runtime == r {
		return n.entries
	}
	n.runtime, n.entries = r, slices.Clone(r.components.entries)
	for i := range n.entries {
		if e := &n.entries[i]; e.Name == "" {
			e.Name = n.of[e.PackRef]
		}
	}
	return n.entries
}

// nameGroup is what is listed with one call: an account or an account group.
type nameGroup struct{ source, aggregator string }

// askNames asks the sources for names, at the start, after each reload and once a
// day, until ctx ends. Names are a convenience: without the permission to list packs
// there are none, and nothing else is missing.
func (s *services) askNames(ctx context.Context) error {
	daily := time.NewTicker(namesEvery)
	defer daily.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.names.wanted:
		case <-daily.C:
		}
		s.names.set(s.runtime.Load().askNames(ctx))
	}
}

// askNames returns the names of the packs that the configuration gives none. Those
// that can't be asked for now stay as they are.
func (r *runtime) askNames(ctx context.Context) map[evidence.PackRef]string {
	unnamed := make(map[nameGroup][]evidence.PackRef)
	of := make(map[evidence.PackRef]string)
	for _, e := range r.components.entries {
		if e.Name == "" && e.Pack.IsCompliancePack() { // the others are in no list of packs
			g := nameGroup{e.Pack.Source, e.Pack.Aggregator}
			unnamed[g] = append(unnamed[g], e.PackRef)
		}
	}
	for _, g := range slices.SortedFunc(maps.Keys(unnamed), func(a, b nameGroup) int {
		return slices.Compare([]string{a.source, a.aggregator}, []string{b.source, b.aggregator})
	}) {
		listed, err := r.sources[g.source].Names(ctx, g.aggregator)
		if err != nil && ctx.Err() == nil {
			r.services.Logger.DebugContext(ctx, "names of packs not read", "source", g.source, "aggregator", g.aggregator, "reason", fault.Of(err), "err", err)
		}
		for _, p := range unnamed[g] {
			if name := listed[p.ID]; name != "" {
				of[p] = name
			} else if err != nil {
				of[p] = r.services.names.name(p)
			}
		}
	}
	return of
}
