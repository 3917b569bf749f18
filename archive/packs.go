package archive

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// lookups is how many listings Others makes at once.
const lookups = 16

// Others returns the packs that have slots in some sink and are not among those
// that are known, in order of source and key. It makes a request or two for each
// pack, known or not, however many slots it has. The error is for what could not
// be listed; packs that were found are returned all the same.
func (r *reader) Others(ctx context.Context, known []evidence.PackRef) ([]evidence.PackRef, error) {
	var dirs []string
	for _, p := range known {
		dirs = append(dirs, evidence.PackDir(p.Source, p.Key()))
	}
	slices.Sort(dirs)
	var mu sync.Mutex
	found := make(map[evidence.PackRef]bool)
	var g errgroup.Group
	g.SetLimit(lookups)
	for _, t := range r.sinks {
		after := ""
		for _, dir := range append(dirs, "") {
			from := after
			g.Go(func() error {
				return others(ctx, t, from, dir, func(p evidence.PackRef) {
					mu.Lock()
					defer mu.Unlock()
					found[p] = true
				})
			})
			after = behind(dir)
		}
	}
	err := g.Wait()
	for _, p := range known {
		delete(found, p)
	}
	var all []evidence.PackRef
	for p := range found {
		all = append(all, p)
	}
	slices.SortFunc(all, func(x, y evidence.PackRef) int {
		return cmp.Or(strings.Compare(x.Source, y.Source), strings.Compare(x.Key(), y.Key()))
	})
	return all, err
}

// behind returns a bound that all keys in a directory are before, and keys behind
// it after: the slash becomes the character that follows it.
func behind(dir string) string { return strings.TrimSuffix(dir, "/") + "0" }

// others yields the packs with keys after one and before the other, which is open
// if empty. It looks at the first key of each, and goes on behind the pack.
func others(ctx context.Context, t Target, after, before string, found func(evidence.PackRef)) error {
	for {
		next := ""
		for e, err := range t.List(ctx, "", after) {
			switch {
			case err != nil:
				return fmt.Errorf("listing sink %s: %w", t.Name, err)
			case e.Key <= after:
				return fault.New(fault.SinkUnavailable, "sink %s lists %s, which is before %s", t.Name, e.Key, after).
					WithHint("packseal needs a store that lists keys in byte order: see docs/storage.md")
			case before != "" && e.Key >= before:
				return nil
			}
			if root, _, ok := strings.Cut(e.Key, "/"); ok && evidence.Reserved(root) {
				next = behind(root + "/")
				break
			}
			if s, _, ok := evidence.ParseKey(e.Key); ok {
				found(s.Ref())
				next = behind(evidence.PackDir(s.Source, s.Pack))
				break
			}
		}
		if next == "" {
			return nil
		}
		after = next
	}
}
