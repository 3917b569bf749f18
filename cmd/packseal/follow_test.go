package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"packseal.example/config"
	"packseal.example/internal/fault"
	"packseal.example/web"
)

// TestSweep: a slot that somebody else has ended unheard is found in the
// archive; while it is not there, it is asked for less and less often.
func TestSweep(t *testing.T) {
	t.Parallel()
	_, endpoint := simulate(t)
	path := configured(t, t.TempDir(), endpoint, onePack)
	cfg, _, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEngine(t.Context(), cfg, slog.New(slog.DiscardHandler), newReloadStatus())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { // nothing was started: this only closes the queue
		ended, stop := context.WithCancel(t.Context())
		stop()
		if err := e.run(ended); err != nil {
			t.Error(err)
		}
	}()
	doubts := make(map[int]doubt)
	e.sweep(t.Context(), doubts)
	if len(doubts) > 0 {
		t.Errorf("before the archive was read there are doubts: %v", doubts)
	}
	if _, err := e.History(t.Context(), "prod", onePack); err != nil {
		t.Fatal(err)
	}
	due, _ := e.scheduler.Due("prod", onePack)
	for range 2 {
		e.sweep(t.Context(), doubts)
	}
	if d := doubts[0]; !d.due.Equal(due) || d.wait != sweepEvery || time.Until(d.next) < sweepEvery/2 {
		t.Errorf("after one look: %+v", d)
	}
	if code := run(t.Context(), []string{"seal", "--config", path, onePack}, io.Discard, io.Discard); code != 0 {
		t.Fatalf("seal ends with %d", code)
	}
	doubts[0] = doubt{due: due, wait: 40 * time.Minute} // and it is time
	e.sweep(t.Context(), doubts)
	if st := e.Status("prod", onePack); st.Sealed != 1 || !st.LastSealed.Due.Equal(due) {
		t.Errorf("it shows %+v", st)
	}
	if d := doubts[0]; d.wait != time.Hour {
		t.Errorf("it waits %v for the next look", d.wait)
	}
	e.sweep(t.Context(), doubts)
	if len(doubts) > 0 {
		t.Errorf("it still has doubts: %v", doubts)
	}
}

// shows waits until page and metrics of a replica say that so many slots are
// sealed, wherever that was done.
func (d *live) shows(t *testing.T, sealed int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		var list struct{ Packs []web.Pack }
		if err := json.Unmarshal([]byte(d.get(t, "/api/v1/packs")), &list); err != nil {
			t.Fatal(err)
		}
		onPage, inMetrics := 0, 0.0
		for _, p := range list.Packs {
			onPage += p.Sealed
		}
		for line := range strings.Lines(d.get(t, "/metrics")) {
			if series, value, _ := strings.Cut(line, "} "); strings.HasPrefix(series, "packseal_slots_total{") && strings.Contains(series, `result="sealed"`) {
				v, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
				inMetrics += v
			}
		}
		if onPage == sealed && inMetrics == float64(sealed) {
			return
		}
		if !fault.Sleep(ctx, 50*time.Millisecond) {
			t.Fatalf("the page shows %d sealed slots, the metrics %v, want %d", onPage, inMetrics, sealed)
		}
	}
}
