//go:build scale

package scale

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
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

// rig is a lab with a load.
type rig struct {
	*lab.Lab
	load
	archive string
	due     time.Time // when the packs fall due
}

// newRig makes the folder and starts the API.
func newRig(t *testing.T, l load) *rig {
	t.Helper()
	packs := make([]sim.Pack, l.packs)
	for i := range packs {
		packs[i] = sim.Pack{ID: packID(i), Script: sim.Script{Make: making, Blob: true, Size: reportSize}}
	}
	r := &rig{Lab: lab.New(t, packs...), load: l, due: time.Now().UTC().Truncate(time.Second).Add(l.lead())}
	r.archive = r.Path("archive")
	return r
}

// configure writes the configuration of one process in a folder of its own. Its
// settings are the defaults but for the bounds and a time-out that even the last
// slot in the queue does not meet.
func (r *rig) configure(member *lab.Lab, queue string) {
	var sources strings.Builder
	for i := range r.sources {
		fmt.Fprintf(&sources, `
  %s: {cloudconfig: {endpoint: %q, requests_per_second: %d, max_in_flight: %d, credentials: {access_key_id_file: key-id, access_key_secret_file: key-secret}}}`,
			r.source(i), r.HTTP.URL, r.rate, r.inFlight)
	}
	packs := make([]string, r.packs)
	for i := range packs {
		packs[i] = fmt.Sprintf("{id: %s, source: %s}", packID(i), r.source(i))
	}
	member.Configure(lab.Setup{
		Sources:  sources.String(),
		Defaults: fmt.Sprintf("schedule: %q, jitter: %s, timeout: 4h", r.due.Format("5 4 15 2 1 *"), r.jitter),
		Sinks:    fmt.Sprintf("[{name: primary, local: {dir: %s}}]", r.archive),
		Fetch:    "poll_min: 1s, poll_max: 30s", // the defaults
		Queue:    queue, Packs: packs,
	})
}

// calls is how often the API was asked, and how often for a new report.
func (r *rig) calls() (all, generate int) {
	for name, n := range r.Calls() {
		if name != sim.Download {
			all += int(n)
		}
		if strings.HasPrefix(name, "Generate") {
			generate += int(n)
		}
	}
	return all, generate
}
