package archive_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/secret"
	"packseal.example/sink"
	"packseal.example/sink/s3"
	"packseal.example/test/lab"
)

// TestPlantedInBucket: the same on a real store, by the times that it tells.
func TestPlantedInBucket(t *testing.T) {
	t.Parallel()
	binary, err := exec.LookPath(cmp.Or(os.Getenv("PACKSEAL_VERSITYGW"), "versitygw"))
	if err != nil {
		lab.Missing(t, "%v", err)
	}
	dir, address := t.TempDir(), lab.Addresses(t, 1)[0]
	objects, key := filepath.Join(dir, "evidence"), secret.File(filepath.Join(t.TempDir(), "key"))
	if err := errors.Join(os.Mkdir(objects, 0o700), os.WriteFile(string(key), []byte("packsealtest"), 0o600)); err != nil {
		t.Fatal(err)
	}
	gateway := exec.Command(binary, "--port", address, "--quiet", "posix", dir)
	gateway.Env = append(os.Environ(), "ROOT_ACCESS_KEY=packsealtest", "ROOT_SECRET_KEY=packsealtest")
	if err := gateway.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gateway.Process.Kill(); _ = gateway.Wait() })
	lab.Eventually(t, "the gateway answers", func() bool {
		conn, err := net.Dial("tcp", address)
		return err == nil && conn.Close() == nil
	})
	bucket, err := (&s3.Options{Endpoint: "http://" + address, Region: "us-east-1", Bucket: "evidence", PathStyle: true, AccessKeyIDFile: key, SecretAccessKeyFile: key}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "bucket", Sink: bucket}, folder(t, "disk", t.TempDir()))
	tomorrow, today, before := slot("cp-1", due().Add(24*time.Hour)), slot("cp-1", due()), slot("cp-1", due().Add(-time.Minute))
	for _, s := range []evidence.Slot{tomorrow, today, before} {
		for name, b := range thiefs(t, before) {
			if err := bucket.Put(t.Context(), s.Dir()+name, sink.Bytes([]byte(b))); err != nil {
				t.Fatal(err)
			}
		}
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	for _, name := range []string{evidence.ManifestName, evidence.GapName} {
		if err := os.Chtimes(filepath.Join(objects, today.Dir(), name), time.Time{}, yesterday); err != nil {
			t.Fatal(err)
		}
	}
	for s, want := range map[evidence.Slot]bool{tomorrow: false, today: false, before: true} {
		if begun, err := h.Begun(t.Context(), s); err != nil || begun != want {
			t.Errorf("%s has begun: %t, %v", s, begun, err)
		}
	}
	h.settle(t, today.Due)
	_, raw, err := h.Read(t.Context(), today)
	disk, err2 := h.sinks[1].Open(t.Context(), today.ManifestKey())
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	defer disk.Close() //nolint:errcheck // read only
	if copied, err := io.ReadAll(disk); err != nil || string(copied) != string(raw) || h.spooled(t) != 1 {
		t.Errorf("the other sink has %q, %v; %d in the spool", copied, err, h.spooled(t))
	}
	want := []string{"malformed bucket gap.json", "malformed bucket manifest.json", "malformed bucket gap.json", "malformed bucket manifest.json", "unmirrored disk manifest.json"}
	if got := kinds(t, h.Archive); !slices.Equal(got, want) {
		t.Errorf("verify: %q", got)
	}
}

// TestPlantedPlan: once the ledger has plans, one that it has no entry of is in force nowhere,
// stays where it is and is a problem. Of one before its first, nobody can tell.
func TestPlantedPlan(t *testing.T) {
	t.Parallel()
	a, b := sink.NewMemory(), sink.NewMemory()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: a}, archive.Target{Name: "b", Sink: b})
	plan := func(age time.Duration) (evidence.Plan, string) {
		p, err := evidence.NewPlan([]evidence.PlannedPack{{Pack: "cp-1", Schedule: "@every 1h", Source: "prod", Zone: "UTC"}}, due().Add(-age), "packseal/test")
		if err != nil {
			t.Fatal(err)
		}
		key, raw, err := p[0].Encode()
		if err == nil {
			err = a.Put(t.Context(), key, sink.Bytes(raw))
		}
		if err != nil {
			t.Fatal(err)
		}
		return p[0], key
	}
	plans := func(have map[string]evidence.Plan, want ...string) {
		t.Helper()
		got, err := h.Plans(t.Context(), have)
		if keys := slices.Sorted(maps.Keys(got)); err != nil || !slices.Equal(keys, want) {
			t.Errorf("the plans are %q, %v; want %q", keys, err, want)
		}
	}
	l := openLedger(t, h.sinks)
	h.Ledger, h.Entries, h.LogWithin = l, l.Entries, time.Nanosecond
	h.LoggedPlans = func(ctx context.Context) (map[string]bool, error) {
		keys := make(map[string]bool)
		err := l.Commit(ctx)
		for e, err := range l.Entries(ctx) {
			if err != nil {
				return nil, err
			}
			keys[e.Key] = true
		}
		return keys, err
	}
	_, old := plan(72 * time.Hour)
	plans(nil, old) // the ledger has none
	first, logged := plan(48 * time.Hour)
	if err := h.PutPlan(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	backdated, thief := plan(24 * time.Hour)
	plans(nil, old, logged)
	plans(map[string]evidence.Plan{thief: backdated}, old, logged, thief) // this process's own, on its way into the ledger
	down := errors.New("down")
	whole := h.LoggedPlans
	h.LoggedPlans = func(context.Context) (map[string]bool, error) { return nil, down }
	if _, err := h.Plans(t.Context(), nil); !errors.Is(err, down) {
		t.Errorf("without the ledger: %v", err)
	}
	h.LoggedPlans = whole

	c := sink.NewMemory()
	h.Archive = archiveOf(t, h, append(h.sinks[:1:1], archive.Target{Name: "c", Sink: c}))
	v, err := h.Verify(t.Context(), archive.Selection{})
	if err == nil {
		err = h.Repair(t.Context(), &v, archive.Repair{})
	}
	if err != nil || v.Repaired != 2 {
		t.Errorf("repaired: %d, %v", v.Repaired, err)
	}
	if got := objects(t, c); len(got) != 2 || got[thief] != "" {
		t.Errorf("the new sink has %q", slices.Collect(maps.Keys(got)))
	}
	if got := kinds(t, h.Archive); !slices.Contains(got, "unlogged a "+filepath.Base(thief)) {
		t.Errorf("verify: %q", got)
	}
}

// archiveOf is a rig's archive with other sinks.
func archiveOf(t *testing.T, h *rig, sinks []archive.Target) *archive.Archive {
	t.Helper()
	o := h.Options
	o.Sinks = sinks
	a, err := archive.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
