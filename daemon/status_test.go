package daemon

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/test/lab"
	"packseal.example/web"
)

// TestStatus: page and API tell which sink answers, what waits for the other one,
// and what verification found.
func TestStatus(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	d := start(t, lab.Setup{Endpoint: endpoint, Sinks: `
  - {name: primary, local: {dir: archive}}
  - {name: gone, s3: {endpoint: "http://127.0.0.1:1", region: r, bucket: reports, path_style: true, access_key_id_file: key-id, secret_access_key_file: key-secret}}`}.Write(t), io.Discard)
	d.await(t, 1)
	var st struct {
		Ready bool
		web.Status
	}
	lab.Eventually(t, "the sink that does not answer is known", func() bool {
		if err := json.Unmarshal([]byte(d.get(t, "/api/v1/status")), &st); err != nil {
			t.Fatal(err)
		}
		return len(st.Sinks) == 2 && !st.Sinks[1].Down.IsZero() && st.Spool.Reports == 1
	})
	if first, second := st.Sinks[0], st.Sinks[1]; !st.Ready || first.Reached.IsZero() || !first.Down.IsZero() || !second.Reached.IsZero() ||
		!strings.Contains(second.Why, "127.0.0.1:1") || st.Spool.Bytes == 0 || st.Spool.Free <= 0 || !st.Verified.Passed.IsZero() {
		t.Errorf("got %+v", st)
	}
	if st := (controlled{d.services.Load(), d.Daemon}).Status(t.Context()); len(st.Down) != 1 || st.Down[0].Sink != "gone" || !strings.Contains(st.Down[0].Why, "127.0.0.1:1") || st.Spooled != 1 {
		t.Errorf("the control socket says %+v", st)
	}
	if err := SaveVerified(d.services.Load().cfg.StateDir, archive.Result{Problems: []archive.Problem{{Kind: archive.Altered}}}); err != nil {
		t.Fatal(err)
	}
	const says = "1 of 2 sinks cannot be used: “gone”. Verification found 1 problem. The pack’s latest known report was sealed."
	lab.Eventually(t, "the page says: "+says, func() bool { return strings.Contains(d.get(t, "/"), says) })
}

// TestStateOfEnded: a gap that is the last slot of a pack needs attention for a week, and
// of a pack that goes on until a report is sealed.
func TestStateOfEnded(t *testing.T) {
	t.Parallel()
	cfg, _, err := config.Parse("packseal.yaml", []byte(`{sources: {prod: {cloudconfig: {endpoint: https://config.cn-shanghai.aliyuncs.com}}}, packs: [{id: cp-1, until: 2026-01-02}, {id: cp-2}], sinks: [{name: primary, local: {dir: archive}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	due := time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC)
	gap := catalog.Status{Complete: true, LastGap: evidence.Record{Slot: evidence.Slot{Due: due}, State: evidence.Gapped}}
	for i, c := range []struct {
		status      catalog.Status
		after       time.Duration
		ended, open string
	}{
		{gap, 6 * 24 * time.Hour, web.StateGap, web.StateGap},
		{gap, 8 * 24 * time.Hour, web.StateEnded, web.StateGap},
		{catalog.Status{Complete: true}, 3 * 24 * time.Hour, web.StateEnded, web.StateWaiting},
	} {
		for n, want := range []string{c.ended, c.open} {
			if got := state(cfg.Entries()[n], c.status, false, due.Add(c.after)); got != want {
				t.Errorf("%d: pack %d is %s, want %s", i, n, got, want)
			}
		}
	}
}
