//go:build chaos

package chaos

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

// scale is what a measurement is of. Each field has an environment variable;
// by itself it is so small that it is a test of correctness only.
type scale struct {
	packs  int           // PACKSEAL_PACKS
	spread time.Duration // PACKSEAL_SPREAD: within this time the packs start; 0 = at one moment
	bound  int           // PACKSEAL_BOUND: max_in_flight
	rate   int           // PACKSEAL_RATE: requests_per_second
	make   time.Duration // PACKSEAL_MAKE: how long a report is in the making
}

// measured reads what to measure.
func measured(t *testing.T, s scale) scale {
	t.Helper()
	number := func(name string, n int) int {
		n, err := strconv.Atoi(cmp.Or(os.Getenv(name), strconv.Itoa(n)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	span := func(name string, d time.Duration) time.Duration {
		d, err := time.ParseDuration(cmp.Or(os.Getenv(name), d.String()))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return d
	}
	return scale{
		packs: number("PACKSEAL_PACKS", s.packs), spread: span("PACKSEAL_SPREAD", s.spread),
		bound: number("PACKSEAL_BOUND", s.bound), rate: number("PACKSEAL_RATE", s.rate), make: span("PACKSEAL_MAKE", s.make),
	}
}

// reportBytes is how long a report is: little, as it is the slots that count.
const reportBytes = 4 << 10

// cast makes the packs.
func (s scale) cast() (all []sim.Pack) {
	for i := range s.packs {
		all = append(all, sim.Pack{ID: fmt.Sprintf("cp-%016d", i), Script: sim.Script{Make: s.make, Blob: true, Size: reportBytes}})
	}
	return all
}

// settings is the configuration: every pack falls due at one moment, once.
func (s scale) settings(w *world, archive, queue string, due time.Time) string {
	var y strings.Builder
	fmt.Fprintf(&y, `
state_dir: state
sources:
  prod:
    cloudconfig:
      endpoint: %s
      requests_per_second: %d
      max_in_flight: %d
      credentials: {access_key_id_file: key-id, access_key_secret_file: key-secret}
defaults: {source: prod, time_zone: UTC, schedule: %q, jitter: %s, catch_up: 1h, timeout: 6h}
sinks: [{name: primary, local: {dir: %s}}]
web: {listen: "127.0.0.1:0"}
queue: %s
packs:
`, w.url, s.rate, s.bound, due.Format("5 4 15 2 1 *"), s.spread, archive, queue)
	for i := range s.packs {
		fmt.Fprintf(&y, "  - {id: cp-%016d}\n", i)
	}
	return y.String()
}

// figures are what was measured.
type figures struct {
	ready   time.Duration // from the start of the process
	took    time.Duration // from due to the last one sealed
	memory  int64         // of the process with most: bytes resident at its peak,
	after   int64         // and when all was done
	queue   int64         // bytes of the queue's store, at its largest
	cpu     time.Duration // of all processes
	calls   int           // of the API
	reports int           // that were asked for
	metrics int           // bytes of /metrics
	scrape  time.Duration
	page    time.Duration // the first view of the page
}

// log writes the figures as a row of a table.
func (f figures) log(t *testing.T, s scale) {
	t.Helper()
	n := float64(s.packs)
	t.Logf("packs %d | ready %.2fs | took %.1fs | %.1f slots/s | peak %d MiB, after %d MiB | %.2f calls/slot | queue %.1f MiB | CPU %.2f ms/slot | /metrics %.1f MiB in %.2fs | page in %.2fs",
		s.packs, f.ready.Seconds(), f.took.Seconds(), n/f.took.Seconds(), f.memory>>20, f.after>>20, float64(f.calls)/n, float64(f.queue)/(1<<20),
		float64(f.cpu.Microseconds())/1000/n, float64(f.metrics)/(1<<20), f.scrape.Seconds(), f.page.Seconds())
}

// TestScale has one daemon seal many packs that are due at once, or within an
// hour, and says what that takes. What it is run with by default is to see that
// it holds at all; docs/scaling.md has the commands for what is measured.
func TestScale(t *testing.T) {
	t.Parallel()
	s := measured(t, scale{packs: 300, bound: 300, rate: 100_000})
	w := newWorld(t, s.cast())
	s.measure(t, w, []*world{w}, func(int) string { return "{embedded: {}}" }).log(t, s)
}

// TestReplicasScale has 1, 2 and 3 daemons with one queue on a server outside,
// and 3 that form it themselves, seal the same packs, whose reports take two
// seconds to be made.
func TestReplicasScale(t *testing.T) {
	t.Parallel()
	s := measured(t, scale{packs: 60, bound: 64, rate: 100_000, make: 2 * time.Second})
	for _, n := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(n, " outside"), func(t *testing.T) {
			server := startNATS(t)
			replicasScale(t, s, n, func(int) string { return fmt.Sprintf("{nats: {servers: [%q], replicas: 1}}", server) })
		})
	}
	t.Run("3 embedded", func(t *testing.T) {
		routes := freePorts(t, 3)
		replicasScale(t, s, 3, func(i int) string {
			return fmt.Sprintf("{embedded: {cluster: {member: m%d, listen: %q, routes: [%s], token_file: key-secret}}}", i, routes[i], strings.Join(routes, ", "))
		})
	})
}

func replicasScale(t *testing.T, s scale, n int, queue func(i int) string) {
	w := newWorld(t, s.cast())
	var all []*world
	for i := range n {
		m := &world{Server: w.Server, t: t, dir: filepath.Join(w.dir, fmt.Sprint("m", i)), url: w.url}
		if err := os.Mkdir(m.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		m.write("key-id", keyID)
		m.write("key-secret", secret)
		all = append(all, m)
	}
	s.measure(t, w, all, queue).log(t, s)
}

// measure runs the daemons until every pack is sealed, and looks that each is
// so once and nothing is left over.
func (s scale) measure(t *testing.T, w *world, daemons []*world, queue func(i int) string) (f figures) {
	t.Helper()
	archive := filepath.Join(w.dir, "archive")
	begun := time.Now()
	due := begun.UTC().Add(5*time.Second + time.Duration(s.packs)*time.Millisecond/4).Truncate(time.Second)
	var running []*process
	for i, d := range daemons {
		d.write("packseal.yaml", s.settings(w, archive, queue(i), due))
		running = append(running, d.start())
	}
	patience := 2*time.Minute + 2*s.spread + time.Duration(s.packs)*(s.make/time.Duration(s.bound)+100*time.Millisecond)
	for i, p := range running {
		p.eventually(patience, p.unready)
		f.ready = max(f.ready, time.Since(begun))
		if i == 0 {
			f.page = p.visit(t, "/")
		}
	}
	if time.Now().After(due) {
		t.Logf("not ready when the packs fell due, but %v later: that counts", time.Since(due).Round(time.Millisecond))
	}
	running[0].eventually(patience, func() string {
		for _, d := range daemons {
			f.queue = max(f.queue, size(filepath.Join(d.dir, "state", "queue")))
		}
		if n := w.Calls()[sim.Download]; n < s.packs {
			time.Sleep(50 * time.Millisecond)
			return fmt.Sprint(n, " downloads")
		}
		if n := manifests(archive); n < s.packs {
			return fmt.Sprint(n, " sealed")
		}
		return ""
	})
	f.took = lastSealed(t, archive).Sub(due)
	for _, p := range running {
		p.eventually(time.Minute, func() string {
			if n, ok := p.metric("packseal_queue_pending", ""); !ok || n > 0 {
				return fmt.Sprint(n, " in the queue")
			}
			return ""
		})
		began := time.Now()
		f.metrics = max(f.metrics, len(p.get(t, "/metrics")))
		f.scrape = max(f.scrape, time.Since(began))
		f.memory, f.after = max(f.memory, p.memory(t, "VmHWM")), max(f.after, p.memory(t, "VmRSS"))
	}
	for i, p := range running {
		p.stop()
		f.cpu += p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
		emptySpool(t, filepath.Join(daemons[i].dir, "state"))
	}
	for name, n := range w.Calls() {
		if name != sim.Download {
			f.calls += n
		}
		if strings.HasPrefix(name, "Generate") {
			f.reports += n
		}
	}
	found := readArchive(archive)
	found.check(t)
	if found.sealed() != s.packs || len(found.slots) != s.packs || f.reports != s.packs {
		t.Errorf("%d slots sealed, %d settled, %d reports asked for; want %d of each", found.sealed(), len(found.slots), f.reports, s.packs)
	}
	return f
}

// get returns what the daemon answers.
func (p *process) get(t *testing.T, path string) []byte {
	t.Helper()
	answer, err := http.Get(address.FindString(p.log.String()) + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	var body bytes.Buffer
	if _, err := body.ReadFrom(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, answer.Status, err)
	}
	return body.Bytes()
}

// visit returns how long an answer takes.
func (p *process) visit(t *testing.T, path string) time.Duration {
	t.Helper()
	began := time.Now()
	p.get(t, path)
	return time.Since(began)
}

// memory returns a line of the kernel's account of the process, in bytes.
func (p *process) memory(t *testing.T, line string) int64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), line+":")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// size returns what a folder takes on the disk.
func size(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if fi, err := d.Info(); err == nil {
				n += fi.Size()
			}
		}
		return nil // what has just gone does not count
	})
	return n
}

// manifests counts those of an archive.
func manifests(dir string) int {
	all, _ := filepath.Glob(filepath.Join(dir, "prod", "*", "*", "*", "*", "manifest.json"))
	return len(all)
}

// lastSealed is when the last manifest says that its slot was sealed.
func lastSealed(t *testing.T, dir string) (last time.Time) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "prod", "*", "*", "*", "*", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var m struct{ Sealed time.Time }
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		if m.Sealed.After(last) {
			last = m.Sealed
		}
	}
	return last
}
