package daemon

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/catalog"
	"packseal.example/archive/plans"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/test/lab"
)

// ownProcess is set in the environment of a test that runs by itself.
const ownProcess = "PACKSEAL_TEST_OWN_PROCESS"

// inOwnProcess runs f in a process that runs this test alone, so that all
// goroutines and descriptors there are f's.
func inOwnProcess(t *testing.T, f func()) {
	t.Helper()
	if os.Getenv(ownProcess) != "" {
		f()
		return
	}
	t.Parallel()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.timeout=8m", "-test.v")
	c.Env = append(os.Environ(), ownProcess+"=1")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestReloadsUnderLoad reloads 200 times while slots fall due each second and
// packs come and go, in one process and in one of three: no slot is lost or
// settled twice, no goroutine or descriptor stays behind, no counter falls, and
// the queue stays open.
func TestReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	t.Run("alone", func(t *testing.T) { inOwnProcess(t, func() { reloadUnderLoad(t, false) }) })
	t.Run("one of three", func(t *testing.T) { inOwnProcess(t, func() { reloadUnderLoad(t, true) }) })
}

// The packs of these tests: the first stay, the others come and go.
const staying, coming = 4, 8

func reloadUnderLoad(t *testing.T, cluster bool) {
	var packs []sim.Pack
	var ids []string
	for i := range staying + coming {
		ids = append(ids, fmt.Sprintf("cp-%020d", i))
		packs = append(packs, sim.Pack{ID: ids[i]})
	}
	_, endpoint := lab.Simulate(t, packs...)
	setups := []lab.Setup{{
		Dir: t.TempDir(), Endpoint: endpoint, Packs: ids, Source: "requests_per_second: 1000",
		Defaults: `schedule: "@every 1s", catch_up: 1h, timeout: 30s`, Fetch: "poll_min: 10ms, poll_max: 100ms",
	}}
	setups[0].Archive = filepath.Join(setups[0].Dir, "archive")
	if cluster {
		setups = replicas(t, setups[0])
	}
	var all []*live
	var log lab.Buffer
	for _, s := range setups {
		all = append(all, start(t, s.Write(t), &log))
	}
	for _, d := range all {
		d.ready(t)
	}
	d, setup := all[0], setups[0]
	d.await(t, 1)
	queue, counters := d.services.Load().queue.queue, make(counters)
	random := rand.New(rand.NewPCG(1, 2))
	reload := func(times int) {
		for i := range times {
			setup.Packs = ids[:staying:staying]
			for _, id := range ids[staying:] {
				if random.IntN(2) == 0 || i == times-1 {
					setup.Packs = append(setup.Packs, id)
				}
			}
			d.reloadAs(t, setup)
			if i%20 == 0 {
				counters.check(t, d)
			}
		}
	}
	reload(20) // connections and the like are there then
	goroutines, descriptors := quietest()
	reload(200)
	last := time.Now()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for i, d := range all { // nothing falls due any more
		setups[i].Packs, setups[i].Defaults = ids, `schedule: "@yearly", catch_up: 0s`
		d.reloadAs(t, setups[i])
	}
	d.settledUntil(t, setup.Archive, last)
	lab.Eventually(t, "the queue is empty", func() bool {
		queued, err := queue.Pending(t.Context())
		return err == nil && !slices.ContainsFunc(ids, func(id string) bool { return queued("prod", id) })
	})
	counters.check(t, d)
	if d.services.Load().queue.queue != queue {
		t.Error("the queue was opened anew")
	}
	// Idle connections come and go, two descriptors and three goroutines each; a
	// leak would leave one of each of the 200 reloads.
	if g, f := quietest(); g >= goroutines+200 || f >= descriptors+200 {
		t.Errorf("%d goroutines and %d descriptors, %d and %d before", g, f, goroutines, descriptors)
	}
	for _, d := range all {
		d.stop()
	}
	if sealed := complete(t, setup.Archive, ids, last, cluster); sealed < len(ids) {
		t.Errorf("%d slots are sealed", sealed)
	}
}

// reloadAs has the daemon reload another configuration.
func (d *live) reloadAs(t *testing.T, s lab.Setup) {
	t.Helper()
	s.Write(t)
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// counters are the values of all counters, by series.
type counters map[string]float64

// check checks that none of the daemon's counters fell.
func (c counters) check(t *testing.T, d *live) {
	t.Helper()
	counter := false
	for line := range strings.Lines(d.get(t, "/metrics")) {
		if name, typ, ok := strings.Cut(strings.TrimPrefix(line, "# TYPE "), " "); ok && strings.HasPrefix(line, "# TYPE ") {
			counter = strings.HasPrefix(name, "packseal_") && strings.TrimSpace(typ) != "gauge"
		}
		at := strings.LastIndexByte(line, ' ')
		if !counter || strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			t.Fatal(err)
		}
		if series := line[:at]; value < c[series] {
			t.Errorf("%s fell from %v to %v", series, c[series], value)
		} else {
			c[series] = value
		}
	}
	if len(c) < 50 {
		t.Errorf("only %d counters", len(c))
	}
}

// quietest returns the fewest goroutines and descriptors that the process has
// within a second: those that are not at work on a slot.
func quietest() (goroutines, descriptors int) {
	goroutines, descriptors = 1<<30, 1<<30
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(time.Second); ; {
		goroutines = min(goroutines, goruntime.NumGoroutine())
		if open, err := os.ReadDir("/proc/self/fd"); err == nil {
			descriptors = min(descriptors, len(open))
		}
		select {
		case <-tick.C:
		case <-end:
			return goroutines, descriptors
		}
	}
}

// owed returns which slots of a pack were due, by the plans in the archive, after
// the pack's first one and up to last.
func owed(t *testing.T, archive, id string, last time.Time) []time.Time {
	t.Helper()
	records := make(map[string]evidence.Plan)
	dir := filepath.Join(archive, filepath.FromSlash(evidence.PlanDir))
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		key := evidence.PlanDir + f.Name()
		if !evidence.IsPlan(key) {
			continue // it is being written
		}
		raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if records[key], err = evidence.DecodePlan(raw, key); err != nil {
			t.Fatal(err)
		}
	}
	return slices.Collect(plans.Timelines(records)[evidence.Ref("prod", id)].Between(time.Time{}, last))
}

// settledUntil waits until every slot that was due by then is settled, as the
// daemon knows.
func (d *live) settledUntil(t *testing.T, archive string, last time.Time) {
	t.Helper()
	s := d.services.Load()
	for _, e := range s.entries() {
		var open []time.Time
		t.Cleanup(func() {
			if len(open) > 0 {
				t.Logf("%s is not known to be settled at %v", e.Pack.Key(), open)
			}
		})
		lab.Eventually(t, e.Pack.Key()+" has no slot open", func() bool {
			settled := make(map[time.Time]bool)
			for r, err := range s.catalog.Records(t.Context(), catalog.Query{Source: e.Pack.Source, Pack: e.Pack.Key(), To: last}) {
				if err != nil {
					return false
				}
				settled[r.Due] = true
			}
			open = slices.DeleteFunc(owed(t, archive, e.Pack.Key(), last), func(due time.Time) bool { return settled[due] })
			return len(open) == 0
		})
	}
}

// complete checks that of every pack each slot that was due up to last is settled
// in the archive, once, and that none is a gap that was not due, and returns how
// many are sealed in all. In a cluster a slot may have a gap record beside its
// manifest, which counts; and the others' plans are others.
func complete(t *testing.T, archive string, ids []string, last time.Time, cluster bool) (sealed int) {
	t.Helper()
	for _, id := range ids {
		states := make(map[time.Time]string)
		for _, name := range []string{evidence.GapName, evidence.ManifestName} {
			found, err := filepath.Glob(filepath.Join(archive, "prod", id, "*", "*", "*", name))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range found {
				due, err := time.Parse(evidence.DueFormat, filepath.Base(filepath.Dir(path)))
				if err != nil {
					t.Fatal(err)
				}
				if states[due] != "" && !cluster {
					t.Errorf("%s@%s is settled twice", id, due)
				}
				states[due] = name
			}
		}
		for _, name := range states {
			if name == evidence.ManifestName {
				sealed++
			}
		}
		for _, due := range owed(t, archive, id, time.Now()) {
			if states[due] == "" && !due.After(last) {
				t.Errorf("%s@%s is lost", id, due.Format(time.TimeOnly))
			}
			delete(states, due)
		}
		for due, name := range states {
			if name == evidence.GapName && !cluster {
				t.Errorf("%s@%s is a gap, and was not due", id, due.Format(time.TimeOnly))
			}
		}
	}
	return sealed
}

// BenchmarkReload measures what a reload costs that adds or removes one of some
// packs: in one process, nothing due.
func BenchmarkReload(b *testing.B) {
	for _, packs := range []int{10, 1000} {
		b.Run(strconv.Itoa(packs), func(b *testing.B) {
			var ids []string
			for i := range packs {
				ids = append(ids, fmt.Sprintf("cp-%020d", i))
			}
			s := lab.Setup{Dir: b.TempDir(), Defaults: `schedule: "@yearly", catch_up: 0s`, Packs: ids}
			d := start(b, s.Write(b), io.Discard)
			d.ready(b)
			for i := 0; b.Loop(); i++ {
				s.Packs = ids[:packs-i%2]
				s.Write(b)
				if err := d.Reload(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			d.stop()
		})
	}
}
