package archive_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// TestStopBeforeManifest: a slot whose report is in a sink when the daemon stops is
// sealed there all the same.
func TestStopBeforeManifest(t *testing.T) {
	t.Parallel()
	s := &watched{Sink: sink.NewMemory()}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "only", Sink: s})
	ctx, stop := context.WithCancel(t.Context())
	s.put = stop
	if r, err := h.Seal(ctx, slot("cp-1", due()), time.Now().Add(time.Minute)); err != nil || r.State != evidence.Sealed {
		t.Errorf("got %+v, %v", r, err)
	}
	if result, err := h.Verify(t.Context(), archive.Selection{}); err != nil || len(result.Problems) > 0 || result.Sealed != 1 || h.spooled(t) != 0 {
		t.Errorf("Verify found %+v, %v; %d entries in the spool", result, err, h.spooled(t))
	}
}

// unsealed is a sink that takes no manifests.
type unsealed struct{ sink.Sink }

func (r unsealed) Put(ctx context.Context, key string, c sink.Content) error {
	if strings.HasSuffix(key, "/"+evidence.ManifestName) {
		return fault.New(fault.SinkUnavailable, "refused")
	}
	return r.Sink.Put(ctx, key, c)
}

// TestVerifyPending: a report without a manifest that waits in the spool is no orphan,
// and its slot is not absent, here or for another process with the same spool; without
// the spool they are.
func TestVerifyPending(t *testing.T) {
	t.Parallel()
	s := unsealed{sink.NewMemory()}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "only", Sink: s})
	h.Within = map[evidence.PackRef]time.Duration{evidence.Ref("prod", "cp-1"): 0}
	at := slot("cp-1", due().Truncate(24*time.Hour))
	planned(t, at.Due, []evidence.PlannedPack{{Source: "prod", Pack: "cp-1", Schedule: "@every 24h", Zone: "UTC"}}, h.sinks...)
	planned(t, at.Due.Add(time.Second), nil, h.sinks...)
	if _, err := h.Seal(t.Context(), at, time.Now().Add(time.Minute)); fault.Of(err) != fault.SinkUnavailable {
		t.Fatalf("got %v", err)
	}
	auditor, err := archive.New(archive.Options{Sinks: h.sinks, Within: h.Within, Spooled: fetcher.ReadSpool(h.spool).Report, Logger: h.Logger})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(pending, problems int) {
		t.Helper()
		for name, a := range map[string]*archive.Archive{"daemon": h.Archive, "auditor": auditor} {
			r, err := a.Verify(t.Context(), archive.Selection{})
			if err != nil || r.Pending != pending || len(r.Problems) != problems || r.Sealed != 0 {
				t.Errorf("%s: got %+v, %v", name, r, err)
			}
		}
	}
	verify(1, 0)
	other := sink.Bytes([]byte("not the one in the spool"))
	if err := s.Sink.Put(t.Context(), at.Dir()+"report-0123456789ab.xls", other); err != nil {
		t.Fatal(err)
	}
	verify(1, 1)
	if err := os.RemoveAll(h.spool); err != nil {
		t.Fatal(err)
	}
	verify(0, 3)
}
