package daemon

import (
	"slices"
	"sync"

	"packseal.example/config"
	"packseal.example/fetcher/discovery"
	"packseal.example/internal/evidence"
)

// names are what sources call the packs that the configuration gives no name.
type names struct {
	mu      sync.Mutex
	of      map[evidence.PackRef]string
	entries []config.Entry // of the runtime named, with names
	runtime *runtime
}

// name returns what the source calls a pack, or "".
func (n *names) name(p evidence.PackRef) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.of[p]
}

// set replaces the names by those of the packs that sources were found to have.
func (n *names) set(found map[string]discovery.State) {
	of := make(map[evidence.PackRef]string)
	for source, s := range found {
		for _, p := range s.Packs {
			of[p.Ref(source)] = p.Name
		}
	}
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
