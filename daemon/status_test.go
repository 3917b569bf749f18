package daemon

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"packseal.example/archive"
	"packseal.example/fetcher/cloudconfig/sim"
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
