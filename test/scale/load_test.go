//go:build scale

package scale

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

// The simulator's only user.
const (
	keyID  = "LTAI5tSimulatorKeyOnly"
	secret = "simulator-secret-opens-nothing-else"
)

const (
	making     = 2 * time.Second // how long a report is in the making
	reportSize = 48 << 10
)

// load is what there is to do, and how fast it may be done.
type load struct {
	packs    int
	sources  int           // that they are dealt out to; each has the bounds for itself
	jitter   time.Duration // within which the packs start
	inFlight int           // max_in_flight
	rate     int           // requests_per_second
}

// packID is the name of a pack.
func packID(i int) string { return fmt.Sprintf("cp-%020d", i) }

// source is the name of a pack's source.
func (l load) source(i int) string { return fmt.Sprintf("account-%04d", i%l.sources) }

// lead is how long after the start of the processes the packs fall due: all
// are ready by then, also on a machine that has other things to do.
func (l load) lead() time.Duration {
	return 10*time.Second + time.Duration(l.packs)*time.Millisecond
}

// place is where the processes of one measurement work: a folder, and the API.
type place struct {
	*sim.Server
	dir, archive, url string
	load
	due time.Time // when the packs fall due
}

// newPlace makes the folder and starts the API.
func newPlace(t *testing.T, l load) *place {
	t.Helper()
	packs := make([]sim.Pack, l.packs)
	for i := range packs {
		packs[i] = sim.Pack{ID: packID(i), Script: sim.Script{Make: making, Blob: true, Size: reportSize}}
	}
	api, err := sim.New(sim.Options{AccessKeyID: keyID, AccessKeySecret: secret, Packs: packs})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(api)
	t.Cleanup(web.Close)
	dir := t.TempDir()
	w := &place{Server: api, dir: dir, archive: filepath.Join(dir, "archive"), url: web.URL, load: l,
		due: time.Now().UTC().Truncate(time.Second).Add(l.lead())}
	write(t, filepath.Join(dir, "key-id"), keyID)
	write(t, filepath.Join(dir, "key-secret"), secret)
	return w
}

// configure writes the configuration of one process. Its settings are the
// defaults but for the bounds and a time-out that even the last slot in the
// queue does not meet; queue is the entry of that name.
func (w *place) configure(t *testing.T, name, queue string) (path string) {
	t.Helper()
	var y strings.Builder
	fmt.Fprintf(&y, "state_dir: %s\nsources:\n", name)
	for i := range w.sources {
		fmt.Fprintf(&y, `  %s:
    cloudconfig:
      endpoint: %s
      requests_per_second: %d
      max_in_flight: %d
      credentials: {access_key_id_file: key-id, access_key_secret_file: key-secret}
`, w.source(i), w.url, w.rate, w.inFlight)
	}
	fmt.Fprintf(&y, `defaults: {schedule: %q, jitter: %s, timeout: 4h}
sinks: [{name: primary, local: {dir: archive}}]
queue: {%s}
web: {listen: "127.0.0.1:0"}
log: {format: json}
packs:
`, w.due.Format("5 4 15 2 1 *"), w.jitter, queue)
	for i := range w.packs {
		fmt.Fprintf(&y, "  - {id: %s, source: %s}\n", packID(i), w.source(i))
	}
	path = filepath.Join(w.dir, name+".yaml")
	write(t, path, y.String())
	return path
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// calls is how often the API was asked, and how often for a new report.
func (w *place) calls() (all, generate int) {
	for name, n := range w.Calls() {
		if name != sim.Download {
			all += int(n)
		}
		if strings.HasPrefix(name, "Generate") {
			generate += int(n)
		}
	}
	return all, generate
}
