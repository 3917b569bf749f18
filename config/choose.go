package config

import (
	"slices"

	"packseal.example/internal/fault"
)

// Choose returns the entries of the packs named, each once: by key, by ID, or by
// source/key. No name chooses all. A name that fits no entry is fault.NotFound.
func Choose(entries []Entry, names []string) ([]Entry, error) {
	if len(names) == 0 {
		return entries, nil
	}
	var chosen []Entry
	for _, name := range names {
		known := false
		for _, e := range entries {
			if key := e.Pack.Key(); name != key && name != e.Pack.ID && name != e.Pack.Source+"/"+key {
				continue
			}
			known = true
			if !slices.ContainsFunc(chosen, func(c Entry) bool { return c.PackRef == e.PackRef }) {
				chosen = append(chosen, e)
			}
		}
		if !known {
			return nil, fault.New(fault.NotFound, "no pack %q in the configuration", name)
		}
	}
	return chosen, nil
}
