package daemon

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/notify"
	"packseal.example/scheduler"
	"packseal.example/test/lab"
	"packseal.example/web"
)

// idle opens the services of a configuration, with their queue, and runs nothing of
// them. They are closed when the test ends.
func idle(t *testing.T, setup lab.Setup) (*services, *config.Config) {
	t.Helper()
	cfg, err := (&ConfigFile{Path: setup.Write(t)}).Load()
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
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s, cfg
}

// TestVerifiedElsewhere: of several replicas one verifies; all show what it found.
func TestVerifiedElsewhere(t *testing.T) {
	t.Parallel()
	s, cfg := idle(t, lab.Setup{Endpoint: "http://127.0.0.1:1"})
	q, err := s.queue.get()
	if err != nil {
		t.Fatal(err)
	}
	exchange := func() web.Verified {
		t.Helper()
		if err := s.exchangeVerified(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s.shared().Verified
	}
	if v := exchange(); len(v.Problems) > 0 || !v.Passed.IsZero() {
		t.Errorf("before any verification: %+v", v)
	}
	passed := time.Now().Add(-8 * 24 * time.Hour).UTC()
	other, err := json.Marshal(verified{Success: passed, Ended: passed.Add(time.Hour), Problems: map[archive.Kind]int{archive.Altered: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Notes(verifiedNotes).Write(t.Context(), lastVerified, other); err != nil {
		t.Fatal(err)
	}
	if v := exchange(); v.Problems["altered"] != 2 || !v.Passed.Equal(passed) {
		t.Errorf("another replica found two problems, and this one shows %+v", v)
	}
	if d, err := s.digest(t.Context(), notify.Match{}, time.Time{}, time.Now()); err != nil || d.Problems["altered"] != 2 {
		t.Errorf("the digest has %v, %v", d.Problems, err)
	}
	if err := SaveVerified(cfg.StateDir, archive.Result{}); err != nil {
		t.Fatal(err)
	}
	if v := exchange(); len(v.Problems) > 0 || time.Since(v.Passed) > time.Minute {
		t.Errorf("after a good one here: %+v", v)
	}
	notes, err := q.Notes(verifiedNotes).Read(t.Context())
	if err != nil || strings.Contains(string(notes[lastVerified]), "altered") {
		t.Errorf("the other replicas are told %s, %v", notes[lastVerified], err)
	}
}

// TestSweep: a slot that somebody else has ended unheard is found in the
// archive; while it is not there, it is asked for less and less often.
func TestSweep(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	s, cfg := idle(t, lab.Setup{Endpoint: endpoint})
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
