package archive_test

import (
	"context"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
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
