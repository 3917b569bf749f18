package archive_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// listen collects what the archive tells.
func (h *house) listen() (told func() []string) {
	var mu sync.Mutex
	var all []string
	h.Archive.Settled = func(r archive.Record) {
		h.Status(r.Source, r.Pack) // must not be held by the caller
		mu.Lock()
		defer mu.Unlock()
		all = append(all, string(r.State)+" "+string(r.Reason)+" "+r.Due.Format(time.TimeOnly))
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		taken := all
		all = nil
		return taken
	}
}

// TestTellsOfSettledSlots: each slot that ends is told once, and what the next
// process reads back is told to that one, in the order of the slots.
func TestTellsOfSettledSlots(t *testing.T) {
	t.Parallel()
	h := newHouse(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	told := h.listen()
	at := due()
	slot := func(seconds time.Duration) scheduler.Slot {
		return scheduler.Slot{Source: "prod", Pack: "cp-1", Due: at.Add(seconds * time.Second)}
	}
	for _, s := range []time.Duration{-1, -3, -1} {
		if err := h.Gap(t.Context(), slot(s), fault.Missed, ""); err != nil {
			t.Fatal(err)
		}
	}
	if again := h.Settle(t.Context(), task("cp-1", at, time.Now().Add(time.Minute))); again != 0 {
		t.Fatalf("not sealed: %s", h.Status("prod", "cp-1").Trouble)
	}
	gap := func(seconds time.Duration) string {
		return "gap missed " + slot(seconds).Due.Format(time.TimeOnly)
	}
	sealed := "sealed  " + at.Format(time.TimeOnly)
	if diff := cmp.Diff([]string{gap(-1), gap(-3), sealed}, told()); diff != "" {
		t.Error(diff)
	}
	h.Settle(t.Context(), task("cp-1", at, time.Now().Add(time.Minute)))
	if again := told(); len(again) > 0 {
		t.Errorf("told again: %v", again)
	}

	next := newHouse(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, h.sinks...)
	told = next.listen()
	if _, err := next.History(t.Context(), "prod", "cp-1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{gap(-3), gap(-1), sealed}, told()); diff != "" {
		t.Error(diff)
	}
}
