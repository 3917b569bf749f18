package archive_test

import (
	"context"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/sink"
)

// watched is a sink that says when something was put into it.
type watched struct {
	sink.Sink
	put func()
}

func (w *watched) Put(ctx context.Context, key string, c sink.Content) error {
	err := w.Sink.Put(ctx, key, c)
	w.put()
	return err
}

// TestCountedOnce: a slot whose manifest is read back at the start, a moment
// before the one who wrote it counts it, is one slot.
func TestCountedOnce(t *testing.T) {
	t.Parallel()
	s := &watched{Sink: sink.NewMemory()}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "only", Sink: s})
	found := false
	at := due()
	puts := 0
	s.put = func() {
		if puts++; puts < 2 {
			return // the report comes first; only the manifest makes a slot of it
		}
		var err error
		if found, err = h.catalog.Settled(t.Context(), slot("cp-1", at)); err != nil {
			t.Error(err)
		}
	}
	if _, err := h.Seal(t.Context(), slot("cp-1", at), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if st := h.Status("prod", "cp-1"); !found || st.Sealed != 1 {
		t.Errorf("read back: %t; %d counted", found, st.Sealed)
	}
}
