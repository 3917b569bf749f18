package archive_test

import (
	"os"
	"path/filepath"
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

// TestSpoolDamaged: a report that a loss of power damaged in the spool is not
// sealed, and is fetched again, not tried forever.
func TestSpoolDamaged(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) sink.Sink{
		"memory": func(*testing.T) sink.Sink { return sink.NewMemory() },
		"local": func(t *testing.T) sink.Sink {
			s, err := (&local.Options{Dir: t.TempDir()}).Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &switched{Sink: open(t)}
			h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "only", Sink: s})
			s.off.Store(true)
			at := due()
			if _, err := h.Seal(t.Context(), slot("cp-1", at), time.Now().Add(time.Minute)); fault.Of(err) != fault.SinkUnavailable {
				t.Fatalf("got %v", err)
			}
			bodies, err := filepath.Glob(filepath.Join(h.spool, "*.body"))
			if err != nil || len(bodies) != 1 {
				t.Fatalf("bodies in the spool: %q, %v", bodies, err)
			}
			b, err := os.ReadFile(bodies[0])
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			if err := os.WriteFile(bodies[0], b, 0o600); err != nil {
				t.Fatal(err)
			}
			s.off.Store(false)
			if _, err := h.Seal(t.Context(), slot("cp-1", at), time.Now().Add(time.Minute)); fault.Of(err) != fault.Damaged {
				t.Fatalf("got %v, want Damaged", err)
			}
			if r, err := h.Seal(t.Context(), slot("cp-1", at), time.Now().Add(time.Minute)); err != nil || r.State != evidence.Sealed {
				t.Fatalf("got %+v, %v", r, err)
			}
			if result, err := h.Verify(t.Context(), archive.Selection{}); err != nil || len(result.Problems) > 0 || result.Sealed != 1 {
				t.Errorf("verify says %+v, %v", result, err)
			}
			if n := h.spooled(t); n != 0 {
				t.Errorf("the spool holds %d entries", n)
			}
		})
	}
}
