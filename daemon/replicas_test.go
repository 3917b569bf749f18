package daemon

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"packseal.example/archive/catalog"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/scheduler"
	"packseal.example/test/lab"
)

// TestSweep: a slot that somebody else has ended unheard is found in the
// archive; while it is not there, it is asked for less and less often.
func TestSweep(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	cfg, err := (&ConfigFile{Path: lab.Setup{Endpoint: endpoint}.Write(t)}).Load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := openServices(t.Context(), cfg, Options{Logger: slog.New(slog.DiscardHandler)}, newReloadStatus())
	if err == nil {
		err = s.queue.open(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	pack := cfg.Entries()[0].PackRef
	lookups := make(map[evidence.PackRef]lookup)
	s.sweepOnce(t.Context(), lookups)
	if len(lookups) > 0 {
		t.Errorf("before the archive was read there are lookups: %v", lookups)
	}
	ctx, stop := context.WithCancel(t.Context())
	reading := make(chan error, 1)
	go func() { reading <- s.catalog.Run(ctx) }()
	defer func() {
		stop()
		if err := <-reading; err != nil {
			t.Error(err)
		}
	}()
	lab.Eventually(t, "the history is read", func() bool { return s.catalog.Status("prod", lab.Pack).Complete })
	go s.plans.Run(ctx)     //nolint:errcheck // it ends with ctx
	go s.scheduler.Run(ctx) //nolint:errcheck
	q, err := s.queue.get()
	if err != nil {
		t.Fatal(err)
	}
	taken := make(chan evidence.Slot, 1)
	taking, enough := context.WithCancel(ctx)
	go q.Run(taking, func(_ context.Context, task scheduler.Task) time.Duration { taken <- task.Slot; return 0 }) //nolint:errcheck
	due := (<-taken).Due                                                                                          // by another replica, which has told nobody yet
	lab.Eventually(t, "the queue is empty", func() bool {
		queued, err := q.Pending(t.Context())
		return err == nil && !queued("prod", lab.Pack)
	})
	enough()
	for range 2 {
		s.sweepOnce(t.Context(), lookups)
	}
	if l := lookups[pack]; !l.due.Equal(due) || l.wait != sweepEvery || time.Until(l.next) < sweepEvery/2 {
		t.Errorf("after one look: %+v", l)
	}
	other, err := OpenArchive(t.Context(), cfg, ArchiveOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Seal(t.Context(), cfg.Entries()[0].Slot(due), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	lookups[pack] = lookup{due: due, wait: 40 * time.Minute} // and it is time
	s.sweepOnce(t.Context(), lookups)
	if st := s.catalog.Status("prod", lab.Pack); st.Sealed != 1 || !st.LastSealed.Due.Equal(due) {
		t.Errorf("it shows %+v", st)
	}
	if l := lookups[pack]; l.wait != time.Hour {
		t.Errorf("it waits %v for the next look", l.wait)
	}
	s.sweepOnce(t.Context(), lookups) // all is well
	older := cfg.Entries()[0].Slot(due.Add(-24 * time.Hour))
	if _, err := other.Seal(t.Context(), older, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	// The pack is at work on its next slot.
	err = q.Publish(t.Context(), scheduler.Task{Slot: cfg.Entries()[0].Slot(due.Add(24 * time.Hour)), Deadline: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	s.catalog.Observe(catalog.Event{Record: s.catalog.Status("prod", lab.Pack).LastSealed, Sealed: 2})
	s.sweepOnce(t.Context(), lookups)
	if st := s.catalog.Status("prod", lab.Pack); st.Sealed != 2 {
		t.Errorf("another replica counts 2, and this one %d", st.Sealed)
	}
	lookups[evidence.Ref("prod", "cp-gone")] = lookup{}
	s.sweepOnce(t.Context(), lookups)
	if len(lookups) > 0 {
		t.Errorf("it still looks for: %v", lookups)
	}
}
