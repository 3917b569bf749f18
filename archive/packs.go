package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"packseal.example/internal/evidence"
)

// lookups is how many listings Others makes at once.
const lookups = 16

// Others returns the packs that have slots in some sink and are not among those
// that are known, in order of source and key. It makes a request or two for each
// pack, known or not, however many slots it has. The error is for what could not
// be listed; packs that were found are returned all the same.
func (r *reader) Others(ctx context.Context, known []evidence.PackRef) ([]evidence.PackRef, error) {
	dirs := make(map[string][]string) // source → its packs' that are known
	for _, p := range known {
		dirs[p.Source] = append(dirs[p.Source], evidence.PackDir(p.Source, p.Key()))
	}
	sources, unlisted := r.sources(ctx)
	var mu sync.Mutex
	found := make(map[evidence.PackRef]bool)
	var g errgroup.Group
	g.SetLimit(lookups)
	for _, s := range sources {
		after := ""
		for _, dir := range append(slices.Sorted(slices.Values(dirs[s.source])), "") {
			from := after
			g.Go(func() error {
				return s.others(ctx, from, dir, func(p evidence.PackRef) {
					mu.Lock()
					defer mu.Unlock()
					found[p] = true
				})
			})
			after = behind(dir)
		}
	}
	err := errors.Join(unlisted, g.Wait())
	for _, p := range known {
		delete(found, p)
	}
	all := slices.SortedFunc(maps.Keys(found), func(x, y evidence.PackRef) int {
		return cmp.Or(strings.Compare(x.Source, y.Source), strings.Compare(x.Key(), y.Key()))
	})
	return all, err
}

// sourceIn is a source with slots in a sink.
type sourceIn struct {
	Target
	source string
}

// sources returns what may be sources: the folders of every sink. The error is for
// sinks that could not be listed.
func (r *reader) sources(ctx context.Context) (all []sourceIn, err error) {
	var mu sync.Mutex
	var g errgroup.Group
	for _, t := range r.sinks {
		g.Go(func() error {
			found := make(map[string]bool)
			err := folders(ctx, t, "", found)
			mu.Lock()
			defer mu.Unlock()
			for name := range found {
				all = append(all, sourceIn{t, name})
			}
			return err
		})
	}
	err = g.Wait()
	return all, err
}

// folders finds the folders at the top of a sink whose names begin with prefix. It
// looks at the first key of each, and goes on behind it. Names that go on with a
// character before the slash are asked for apart: in byte order they come before
// the shorter name, from a store that lists folder by folder after it.
func folders(ctx context.Context, t Target, prefix string, found map[string]bool) error {
	for after := ""; ; {
		name := ""
		for e, err := range t.List(ctx, prefix, after) {
			if err != nil {
				return fmt.Errorf("listing sink %s: %w", t.Name, err)
			}
			if root, _, ok := strings.Cut(e.Key, "/"); ok {
				name = root
				break
			}
		}
		if name == "" {
			return nil
		}
		after = behind(name)
		if found[name] || evidence.Reserved(name) {
			continue
		}
		found[name] = true
		for _, next := range []string{"-", "."} { // of the characters of names
			if err := folders(ctx, t, name+next, found); err != nil {
				return err
			}
		}
	}
}

// behind returns a bound that all keys in a directory are before, and keys behind
// it after: the slash becomes the character that follows it.
func behind(dir string) string { return strings.TrimSuffix(dir, "/") + "0" }

// others yields the source's packs with keys after one and before the other, which
// is open if empty. It looks at the first key of each, and goes on behind the pack.
func (s sourceIn) others(ctx context.Context, after, before string, found func(evidence.PackRef)) error {
	for {
		next := ""
		for e, err := range s.List(ctx, s.source+"/", after) {
			switch {
			case err != nil:
				return fmt.Errorf("listing sink %s: %w", s.Name, err)
			case before != "" && e.Key >= before:
				return nil
			}
			if of, _, ok := evidence.ParseKey(e.Key); ok {
				found(of.Ref())
				next = behind(evidence.PackDir(of.Source, of.Pack))
				break
			}
		}
		if next == "" {
			return nil
		}
		after = next
	}
}
