package anchor

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"packseal.example/archive/ledger/tree"
	"packseal.example/sink"
)

// Anchored says which objects a sink holds of what others said of a checkpoint.
type Anchored struct {
	N            int64    // of the checkpoint's batch
	Stamps       []string // the authorities, in order
	Cosignatures []uint32 // the IDs of the witnesses' keys, in order
}

// List returns the checkpoints that others vouched for, by number. Nothing of it is
// checked: what lies there can be of anybody.
func List(ctx context.Context, s sink.Sink) ([]Anchored, error) {
	by := make(map[int64]*Anchored)
	at := func(n int64) *Anchored {
		if by[n] == nil {
			by[n] = &Anchored{N: n}
		}
		return by[n]
	}
	for _, dir := range []string{tree.StampDir, tree.CosignatureDir} {
		for e, err := range s.List(ctx, dir, "") {
			if err != nil {
				return nil, fmt.Errorf("listing %s: %w", dir, err)
			}
			if n, name, ok := tree.ParseStampKey(e.Key); ok {
				a := at(n)
				a.Stamps = append(a.Stamps, name)
			} else if n, id, ok := tree.ParseCosignatureKey(e.Key); ok {
				a := at(n)
				a.Cosignatures = append(a.Cosignatures, id)
			}
		}
	}
	all := make([]Anchored, 0, len(by))
	for _, a := range by {
		slices.Sort(a.Stamps)
		slices.Sort(a.Cosignatures)
		all = append(all, *a)
	}
	slices.SortFunc(all, func(a, b Anchored) int { return cmp.Compare(a.N, b.N) })
	return all, nil
}

// Read returns the objects of a checkpoint by their keys, the checkpoint itself included.
func (a Anchored) Read(ctx context.Context, s sink.Sink) (map[string][]byte, error) {
	keys := []string{tree.CheckpointKey(a.N)}
	for _, name := range a.Stamps {
		keys = append(keys, tree.StampKey(a.N, name))
	}
	for _, id := range a.Cosignatures {
		keys = append(keys, tree.CosignatureKey(a.N, id))
	}
	objects := make(map[string][]byte, len(keys))
	for _, key := range keys {
		raw, err := sink.ReadAll(ctx, s, key, maxObject)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", key, err)
		}
		objects[key] = raw
	}
	return objects, nil
}
