package anchor

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"packseal.example/archive/ledger/tree"
	"packseal.example/sink"
)

// Anchored says which objects a sink holds of what others said of a checkpoint. Who said
// it has one, and more where somebody else took the place of it.
type Anchored struct {
	N            int64               // of the checkpoint's batch
	Stamps       map[string][]string // keys by authorities
	Cosignatures map[uint32][]string // keys by the IDs of the witnesses' keys
}

// List returns the checkpoints that others vouched for, by number. Nothing of it is
// checked: what lies there can be of anybody.
func List(ctx context.Context, s sink.Sink) ([]Anchored, error) {
	by := make(map[int64]*Anchored)
	at := func(n int64) *Anchored {
		if by[n] == nil {
			by[n] = &Anchored{N: n, Stamps: make(map[string][]string), Cosignatures: make(map[uint32][]string)}
		}
		return by[n]
	}
	for _, dir := range []string{tree.StampDir, tree.CosignatureDir} {
		for e, err := range s.List(ctx, dir, "") {
			if err != nil {
				return nil, fmt.Errorf("listing %s: %w", dir, err)
			}
			if n, name, ok := tree.ParseStampKey(e.Key); ok {
				at(n).Stamps[name] = append(at(n).Stamps[name], e.Key)
			} else if n, id, ok := tree.ParseCosignatureKey(e.Key); ok {
				at(n).Cosignatures[id] = append(at(n).Cosignatures[id], e.Key)
			}
		}
	}
	all := make([]Anchored, 0, len(by))
	for _, a := range by {
		all = append(all, *a)
	}
	slices.SortFunc(all, func(a, b Anchored) int { return cmp.Compare(a.N, b.N) })
	return all, nil
}

// InOrder yields the keys of Stamps or Cosignatures by who said it, in order; of one, that
// in the place of its own before those beside it.
func InOrder[T cmp.Ordered](said map[T][]string) iter.Seq2[T, []string] {
	return func(yield func(T, []string) bool) {
		for _, who := range slices.Sorted(maps.Keys(said)) {
			if !yield(who, plainFirst(said[who])) {
				return
			}
		}
	}
}

// plainFirst sorts keys so that the shortest, which has nothing beside its name, is first.
func plainFirst(keys []string) []string {
	return slices.SortedFunc(slices.Values(keys), func(a, b string) int { return cmp.Or(len(a)-len(b), cmp.Compare(a, b)) })
}
