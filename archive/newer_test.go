package archive_test

import (
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// futureRecord is a manifest as a newer packseal may write it.
const futureRecord = `{"due":"2031-01-01T00:00:00Z","quantum":true,"schema":"packseal.manifest/v4"}`

// TestNewerRecords: what a newer packseal has sealed is sealed, and what it
// recorded as a gap is one: nobody fetches it again or makes a gap of it. To
// read it, this program is too old, and says so.
func TestNewerRecords(t *testing.T) {
	t.Parallel()
	store := sink.NewMemory()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "memory", Sink: store})
	at := due()
	sealed, gap := slot("cp-1", at), slot("cp-1", at.Add(-time.Hour))
	for key, content := range map[string]string{
		sealed.ManifestKey(): futureRecord, sealed.Dir() + "report-000000000000.pdf": "x",
		gap.GapKey(): strings.Replace(futureRecord, "manifest/v4", "gap/v3", 1),
	} {
		if err := store.Put(t.Context(), key, sink.Bytes([]byte(content))); err != nil {
			t.Fatal(err)
		}
	}
	if again := h.Settle(t.Context(), task("cp-1", at, time.Now().Add(time.Minute))); again != 0 {
		t.Errorf("the sealed slot is tried again in %s: %s", again, h.Status("prod", "cp-1").Trouble)
	}
	if r, err := h.Seal(t.Context(), sealed, time.Now().Add(time.Minute)); err != nil || r != (evidence.Record{Slot: sealed, State: evidence.Sealed}) {
		t.Errorf("sealing it again: %+v, %v", r, err)
	}
	if err := h.Gap(t.Context(), sealed, fault.Missed, ""); err != nil {
		t.Error(err)
	}
	if calls := h.sim.Calls(); len(calls) > 0 {
		t.Errorf("calls were made: %v", calls)
	}
	if n := len(objects(t, store)); n != 3 || h.spooled(t) != 0 {
		t.Errorf("%d objects, %d spool entries", n, h.spooled(t))
	}
	ctx := t.Context()
	go h.catalog.Run(ctx)
	for _, s := range []evidence.Slot{sealed, gap} {
		if ok, err := h.catalog.Settled(ctx, s); !ok || err != nil {
			t.Errorf("%s is settled: %t, %v", s, ok, err)
		}
	}
	if dues, err := h.catalog.LastSettled(ctx, "prod", "cp-1", sealed.Due, 1); err != nil || len(dues) != 1 || !dues[0].Equal(gap.Due) {
		t.Errorf("before that, the last is %v, %v", dues, err)
	}
	if st := h.Status("prod", "cp-1"); st.Sealed != 1 || st.Gaps != 1 || st.LastSealed.Slot != sealed || st.LastGap.Slot != gap {
		t.Errorf("status is %+v", st)
	}
	for _, err := range h.Records(ctx, catalog.Query{Source: "prod", Pack: "cp-1"}) {
		if fault.Of(err) != fault.Newer || fault.Hint(err) == "" {
			t.Errorf("reading it says %v, hint %q", err, fault.Hint(err))
		}
	}
	result, err := h.Verify(ctx, archive.Selection{})
	if err != nil || len(result.Problems) != 2 || result.Damaged() {
		t.Fatalf("Verify says %+v, %v", result, err)
	}
	for _, p := range result.Problems {
		if p.Kind != archive.Newer {
			t.Errorf("a problem is %+v", p)
		}
	}
}
