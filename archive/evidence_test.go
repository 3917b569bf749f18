package archive_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/local"
)

// switched is a sink that can be turned off.
type switched struct {
	sink.Sink
	off atomic.Bool
}

func (s *switched) Put(ctx context.Context, key string, c sink.Content) error {
	if s.off.Load() {
		return fault.New(fault.SinkUnavailable, "turned off")
	}
	return s.Sink.Put(ctx, key, c)
}

// objects reads everything a sink holds.
func objects(t *testing.T, s sink.Sink) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for e, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(t.Context(), e.Key)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		all[e.Key] = string(b)
	}
	return all
}

// TestSinkDown: a mirror that is down holds up itself alone, and gets what it
// lacks from the spool; with every sink down the report waits there.
func TestSinkDown(t *testing.T) {
	t.Parallel()
	for name, off := range map[string][]int{"the mirror": {1}, "the first": {0}, "both": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sinks := []*switched{{Sink: sink.NewMemory()}, {Sink: sink.NewMemory()}}
			h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: sinks[0]}, archive.Target{Name: "b", Sink: sinks[1]})
			for _, i := range off {
				sinks[i].off.Store(true)
			}
			at := due()
			again := h.Settle(t.Context(), task("cp-1", at, time.Now().Add(time.Minute)))
			if settled := len(off) < 2; settled != (again == 0) {
				t.Errorf("Settle says %s", again)
			}
			if n := h.spooled(t); n != 1 {
				t.Fatalf("the spool holds %d entries", n)
			}
			for _, s := range sinks {
				s.off.Store(false)
			}
			generated := h.sim.Calls()["GenerateCompliancePackReport"]
			ctx, stop := context.WithCancel(t.Context())
			var drain sync.WaitGroup
			drain.Go(func() { h.Drain(ctx) })
			for h.spooled(t) > 0 && t.Context().Err() == nil {
				fault.Sleep(t.Context(), time.Millisecond)
			}
			stop()
			drain.Wait()
			a, b := objects(t, sinks[0]), objects(t, sinks[1])
			for key, content := range a {
				if b[key] != content {
					t.Errorf("%s differs between the sinks", key)
				}
			}
			if len(a) != 2 || len(b) != 2 {
				t.Errorf("the sinks hold %d and %d objects, want a report and a manifest each", len(a), len(b))
			}
			if now := h.sim.Calls()["GenerateCompliancePackReport"]; now != generated {
				t.Errorf("draining asked for %d more reports", now-generated)
			}
		})
	}
}

// TestRacingArchivers: two archivers with spools of their own race for one
// slot; there is one manifest in the end, and both say what it says.
func TestRacingArchivers(t *testing.T) {
	t.Parallel()
	shared := archive.Target{Name: "shared", Sink: sink.NewMemory()}
	rigs := make([]*rig, 4)
	for i := range rigs {
		rigs[i] = newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, shared)
	}
	at := due()
	got := make([]evidence.Record, len(rigs))
	var wg sync.WaitGroup
	for i, h := range rigs {
		wg.Go(func() {
			var err error
			if got[i], err = h.Seal(t.Context(), slot("cp-1", at), time.Now().Add(time.Minute)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range got {
		if got[i] != got[0] {
			t.Errorf("archiver %d says %#v, archiver 0 %#v", i, got[i], got[0])
		}
		if n := rigs[i].spooled(t); n != 0 {
			t.Errorf("the spool of archiver %d holds %d entries", i, n)
		}
	}
	manifests := 0
	for key := range objects(t, shared) {
		if strings.HasSuffix(key, "manifest.json") {
			manifests++
		}
	}
	if manifests != 1 {
		t.Errorf("%d manifests", manifests)
	}
}

// TestVerifyFinds: what is done to the files of an archive is found, by kind.
func TestVerifyFinds(t *testing.T) {
	t.Parallel()
	for want, harm := range map[archive.Kind]func(report, manifest string) error{
		archive.Missing:   func(report, _ string) error { return os.Remove(report) },
		archive.Malformed: func(_, manifest string) error { return rewrite(manifest, "{\n") },
		archive.Altered: func(report, _ string) error {
			b, err := os.ReadFile(report)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return rewrite(report, string(b))
		},
		archive.Orphaned: func(report, _ string) error {
			return os.WriteFile(filepath.Join(filepath.Dir(report), "stray"), nil, 0o600)
		},
	} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s, err := (&local.Options{Dir: dir}).Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "local", Sink: s})
			r, err := h.Seal(t.Context(), slot("cp-1", due()), time.Now().Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			report := filepath.Join(dir, filepath.FromSlash(r.Object))
			if err := harm(report, filepath.Join(filepath.Dir(report), "manifest.json")); err != nil {
				t.Fatal(err)
			}
			result, err := h.Verify(t.Context(), archive.Selection{})
			if err != nil {
				t.Fatal(err)
			}
			kinds := make(map[archive.Kind]bool)
			for _, f := range result.Problems {
				kinds[f.Kind] = true
			}
			if !kinds[want] {
				t.Errorf("findings are %+v", result.Problems)
			}
		})
	}
}

// rewrite replaces a file that is read-only.
func rewrite(path, content string) error {
	return errors.Join(os.Remove(path), os.WriteFile(path, []byte(content), 0o600))
}

// TestGapIsSettled: a slot with a gap record is left alone, and a slot that is
// sealed gets none.
func TestGapIsSettled(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	at := due()
	s := evidence.Slot{Source: "prod", Pack: "cp-1", Due: at}
	for range 2 {
		if err := h.Gap(t.Context(), s, fault.Overlap, "still at work"); err != nil {
			t.Fatal(err)
		}
	}
	r, err := h.Seal(t.Context(), slot("cp-1", at), time.Now().Add(time.Minute))
	if err != nil || r.State != evidence.Gapped || r.Reason != fault.Overlap {
		t.Errorf("sealing a gap: %+v, %v", r.State, err)
	}
	later := at.Add(time.Second)
	if _, err := h.Seal(t.Context(), slot("cp-1", later), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := h.Gap(t.Context(), evidence.Slot{Source: "prod", Pack: "cp-1", Due: later}, fault.Missed, ""); err != nil {
		t.Fatal(err)
	}
	if st := h.Status("prod", "cp-1"); st.Sealed != 1 || st.Gaps != 1 || st.LastGap.Due != at {
		t.Errorf("status is %d sealed, %d gaps", st.Sealed, st.Gaps)
	}
	if all := records(t, h, "cp-1"); len(all) != 2 || !all[1].Due.Equal(at) {
		t.Errorf("the records are %+v", all)
	}
}

// TestVerifyLeavesProbes: what packseal doctor keeps in a sink is neither
// evidence nor in its way; its neighbours are found.
func TestVerifyLeavesProbes(t *testing.T) {
	t.Parallel()
	m := sink.NewMemory()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "memory", Sink: m})
	for _, key := range []string{sink.ProbeKey(""), sink.ProbeKey("compliance-365"), "packseal-doctor/stray"} {
		if err := m.Put(t.Context(), key, sink.Probe()); err != nil {
			t.Fatal(err)
		}
	}
	result, err := h.Verify(t.Context(), archive.Selection{})
	if err != nil || result.Sealed != 0 || len(result.Problems) != 1 || result.Problems[0].Key != "packseal-doctor/stray" {
		t.Errorf("got %+v, %v", result, err)
	}
}
