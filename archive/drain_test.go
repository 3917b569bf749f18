package archive_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// leave puts an unfinished entry into the spool, as a kill leaves it.
func (h *rig) leave(t *testing.T, s evidence.Slot) {
	t.Helper()
	e, err := h.Spool.Lock(t.Context(), s)
	if err == nil {
		err = e.SaveTicket(fetcher.Ticket{Slot: s})
	}
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// drained lets Drain run until it waits for its next round.
func (h *rig) drained(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.Drain(ctx) }()
	synctest.Wait()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestSweep: what a kill leaves in the spool is swept when nobody will come
// back for it, and only then.
func TestSweep(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}, {ID: "cp-2", Aggregator: "ca-1"}})
	at := due()
	sealed, open := at.Add(-2*time.Hour), at.Add(-time.Hour)
	if _, err := h.Seal(t.Context(), slot("cp-1", sealed), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	group := slot("ca-1/cp-2", open)
	synctest.Test(t, func(t *testing.T) {
		h.leave(t, slot("cp-1", sealed)) // settled
		h.leave(t, slot("x", at))        // not configured
		h.leave(t, evidence.Slot{Source: "gone", Pack: "x", Due: at})
		h.leave(t, slot("cp-1", open)) // to be gone on with,
		h.leave(t, group)              // both of them
		if h.drained(t); h.spooled(t) != 2 {
			t.Errorf("%d entries are left, want 2", h.spooled(t))
		}
		if err := h.Gap(t.Context(), group, fault.Missed, "test"); err != nil || h.spooled(t) != 1 {
			t.Errorf("%v; %d entries are left after a gap, want 1", err, h.spooled(t))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		// In a bubble it is the year 2000; a file of today is not a day old.
		time.Sleep(time.Until(at.Add(25 * time.Hour)))
		if h.drained(t); h.spooled(t) != 0 {
			t.Errorf("%d entries are left after a day", h.spooled(t))
		}
	})
}

// TestGapLeavesReports: a slot whose report waits in the spool is not made a
// gap, by whomever.
func TestGapLeavesReports(t *testing.T) {
	t.Parallel()
	s := &switched{Sink: sink.NewMemory()}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "only", Sink: s})
	at := due()
	s.off.Store(true)
	if _, err := h.Seal(t.Context(), slot("cp-1", at), time.Now().Add(time.Minute)); fault.Of(err) != fault.SinkUnavailable {
		t.Fatalf("got %v", err)
	}
	s.off.Store(false)
	slot := evidence.Slot{Source: "prod", Pack: "cp-1", Due: at}
	if err := h.Gap(t.Context(), slot, fault.Missed, "test"); err != nil {
		t.Error(err)
	}
	synctest.Test(t, func(t *testing.T) { h.drained(t) })
	if r := records(t, h, "cp-1"); len(r) != 1 || r[0].State != evidence.Sealed || h.spooled(t) != 0 {
		t.Errorf("records %+v, %d entries in the spool", r, h.spooled(t))
	}
}

// TestGapWaitsForWork: a slot that is being sealed while it is to become a gap
// is sealed, and nothing else.
func TestGapWaitsForWork(t *testing.T) {
	t.Parallel()
	elsewhere, at := sink.NewMemory(), due()
	other := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "only", Sink: elsewhere})
	if _, err := other.Seal(t.Context(), slot("cp-1", at), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	here := sink.NewMemory()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "only", Sink: here})
	one := slot("cp-1", at)
	synctest.Test(t, func(t *testing.T) {
		gap := func() <-chan error {
			ended := make(chan error, 1)
			go func() { ended <- h.Gap(t.Context(), one, fault.Missed, "test") }()
			synctest.Wait()
			return ended
		}
		worker, err := h.Spool.Lock(t.Context(), one)
		if err != nil {
			t.Fatal(err)
		}
		if err := <-gap(); fault.Of(err) != fault.Busy {
			t.Errorf("while the work goes on: %v", err)
		}
		ended := gap()
		for key, content := range objects(t, elsewhere) {
			if err := here.Put(t.Context(), key, sink.Bytes([]byte(content))); err != nil {
				t.Fatal(err)
			}
		}
		if err := worker.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if n := len(objects(t, here)); n != 2 || h.spooled(t) != 0 {
		t.Errorf("%d objects of a report and its manifest, %d entries in the spool", n, h.spooled(t))
	}
}

// TestGapsNotCopied: a gap record that can't be read is not spread, and is not in the
// way of others.
func TestGapsNotCopied(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(s sink.Sink, key string) sink.Sink{
		"damaged":      func(s sink.Sink, key string) sink.Sink { return spoilt{s, key} },
		"archive tier": func(s sink.Sink, key string) sink.Sink { return tiered{s, key, ""} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var bad []evidence.Slot
			for n := range 8 { // the order in which they are copied is random
				bad = append(bad, slot("cp-1", due().Add(-time.Duration(n)*time.Hour)))
			}
			good := slot("cp-2", due())
			primary, mirror := sink.NewMemory(), &switched{Sink: sink.NewMemory()}
			h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}, {ID: "cp-2"}}, archive.Target{Name: "primary", Sink: spoil(primary, "cp-1")}, archive.Target{Name: "mirror", Sink: mirror})
			mirror.off.Store(true)
			for _, s := range append(bad, good) {
				if err := h.Gap(t.Context(), s, fault.Missed, "test"); err != nil {
					t.Fatal(err)
				}
			}
			mirror.off.Store(false)
			synctest.Test(t, func(t *testing.T) { h.drained(t) })
			if got := objects(t, mirror); len(got) != 1 || got[good.GapKey()] == "" {
				t.Errorf("the mirror has %v", got)
			}
		})
	}
}

// spoilt is a sink that alters what it gives out of keys that contain a text.
type spoilt struct {
	sink.Sink
	of string
}

func (s spoilt) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := s.Sink.Open(ctx, key)
	if err == nil && strings.Contains(key, s.of) {
		return io.NopCloser(strings.NewReader("{}")), r.Close()
	}
	return r, err
}

// TestArchivedBeforeMirrored: a report waits for a sink that was down, also when the
// others' record of it has to be restored before it can be read.
func TestArchivedBeforeMirrored(t *testing.T) {
	t.Parallel()
	primary, mirror := &tiered{sink.NewMemory(), "nothing yet", ""}, &switched{Sink: sink.NewMemory()}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "primary", Sink: primary}, archive.Target{Name: "mirror", Sink: mirror})
	at := due()
	mirror.off.Store(true)
	h.settle(t, at)
	primary.of = evidence.ManifestName
	mirror.off.Store(false)
	synctest.Test(t, func(t *testing.T) { h.drained(t) })
	if h.spooled(t) != 1 {
		t.Errorf("%d entries in the spool while the manifest can't be read", h.spooled(t))
	}
	h.settle(t, at)
	primary.of = "nothing any more"
	synctest.Test(t, func(t *testing.T) { h.drained(t) })
	if n := len(objects(t, mirror)); n != 2 || h.spooled(t) != 0 {
		t.Errorf("%d objects in the mirror, %d entries in the spool", n, h.spooled(t))
	}
}

// TestGapsAreCopied: a sink that was down when a gap was recorded has it when
// it is back, also after a restart.
func TestGapsAreCopied(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"same process": false, "restarted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mirror := &switched{Sink: sink.NewMemory()}
			sinks := []archive.Target{{Name: "primary", Sink: sink.NewMemory()}, {Name: "mirror", Sink: mirror}}
			h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, sinks...)
			mirror.off.Store(true)
			slot := evidence.Slot{Source: "prod", Pack: "cp-1", Due: due()}
			if err := h.Gap(t.Context(), slot, fault.Missed, "test"); err != nil {
				t.Fatal(err)
			}
			if restart {
				h = h.again(t)
				h.load(t)
			}
			synctest.Test(t, func(t *testing.T) { h.drained(t) }) // still down
			mirror.off.Store(false)
			synctest.Test(t, func(t *testing.T) { h.drained(t) })
			result, err := h.Verify(t.Context(), archive.Selection{})
			if err != nil || len(result.Problems) > 0 || result.Gaps != len(sinks) {
				t.Errorf("Verify found %+v, %v", result, err)
			}
		})
	}
}
