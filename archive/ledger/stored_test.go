package ledger_test

import (
	"slices"
	"testing"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

// TestStored: the sinks alone give every entry, whatever somebody without the key puts
// beside them.
func TestStored(t *testing.T) {
	t.Parallel()
	k, s, mirror := newKey(t, origin), newStore(), newStore()
	stored := func(known []string, from ...*store) (all []tree.Entry, err error) {
		var targets []ledger.Target
		for _, s := range from {
			targets = append(targets, ledger.Target{Name: "s", Sink: s})
		}
		for e, err := range ledger.Stored(t.Context(), targets, known) {
			if err != nil {
				return all, err
			}
			all = append(all, e)
		}
		return all, nil
	}
	if all, err := stored([]string{k.text}, s); err != nil || len(all) != 0 {
		t.Errorf("an empty sink: %v, %v", all, err)
	}
	r := open(t, k.file, t.TempDir(), s, mirror)
	for from := 0; from < 600; from += 50 { // two tiles are full
		r.append("a", from, from+50)
		if err := r.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		var want []tree.Entry
		for e, err := range r.Entries(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, e)
		}
		for name, known := range map[string][]string{"known": {k.text}, "without a key": nil} {
			if all, err := stored(known, s, mirror); err != nil || !slices.Equal(all, want) {
				t.Errorf("%s: %d entries of %d, %v", name, len(all), len(want), err)
			}
		}
	}
	n := r.Status().Batches
	s.set(tree.BatchKey(n), []byte("planted"))
	s.set(tree.BatchKey(n+100), []byte("planted"))
	if all, err := stored(nil, s); err != nil || len(all) < 600 {
		t.Errorf("what is no batch beside it: %d entries, %v", len(all), err)
	}
	if all, err := stored([]string{newKey(t, origin).text}, s); err != nil || len(all) != 0 {
		t.Errorf("by another key: %d entries, %v", len(all), err)
	}
	s.set(tree.EntriesKey(0, tree.TileWidth), s.get(tree.EntriesKey(1, tree.TileWidth)))
	if all, err := stored([]string{k.text}, s); err != nil || len(all) < 600 {
		t.Errorf("a tile was altered: %d entries, %v", len(all), err)
	}
	s.breaks(isDown, nil)
	if _, err := stored(nil, s); fault.Of(err) != fault.SinkUnavailable {
		t.Errorf("down: %v", err)
	}
}
