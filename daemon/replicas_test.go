package daemon

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/fixture"
)

// TestSweep: a slot that somebody else has ended unheard is found in the
// archive; while it is not there, it is asked for less and less often.
func TestSweep(t *testing.T) {
	t.Parallel()
	_, endpoint := fixture.Simulate(t, sim.Pack{ID: fixture.Pack})
	cfg, err := (&ConfigFile{Path: fixture.Setup{Endpoint: endpoint}.Write(t), Warnings: io.Discard}).Load()
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEngine(t.Context(), cfg, Options{Logger: slog.New(slog.DiscardHandler)}, newReloadStatus())
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
	e.read(t)
	due, _ := e.scheduler.Due("prod", fixture.Pack)
	for range 2 {
		e.sweep(t.Context(), doubts)
	}
	if d := doubts[0]; !d.due.Equal(due) || d.wait != sweepEvery || time.Until(d.next) < sweepEvery/2 {
		t.Errorf("after one look: %+v", d)
	}
	other, err := OpenArchive(t.Context(), cfg, ArchiveOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Seal(t.Context(), cfg.Entries()[0].Slot(due), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	doubts[0] = doubt{due: due, wait: 40 * time.Minute} // and it is time
	e.sweep(t.Context(), doubts)
	if st := e.catalog.Status("prod", fixture.Pack); st.Sealed != 1 || !st.LastSealed.Due.Equal(due) {
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

// read reads the packs' histories.
func (e *engine) read(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.catalog.Run(ctx) }()
	for _, entry := range e.entries {
		if _, _, err := e.catalog.FirstSettled(ctx, entry.Pack.Source, entry.Pack.Key()); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
