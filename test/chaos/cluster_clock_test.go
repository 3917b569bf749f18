//go:build chaos

package chaos

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestClusterClocks runs three replicas whose clocks are five minutes apart,
// each from the next. Slots fall due by each of the three clocks while they
// run: none is lost, none sealed twice or by a report from before it fell due.
func TestClusterClocks(t *testing.T) {
	t.Parallel()
	const apart = 5 * time.Minute
	shifted := shiftable(t)
	packs := []sim.Pack{{ID: "cp-soon"}, {ID: "cp-before"}, {ID: "cp-slow", Script: sim.Script{Make: 30 * time.Second}}, {ID: "cp-early"}}
	c := newCluster(t, 3, packs)
	now := time.Now().UTC().Truncate(time.Second)
	due := map[string]time.Time{
		"cp-soon":   now.Add(25 * time.Second),        // for the first it is long over, for the third far off
		"cp-before": now.Add(-apart + 20*time.Second), // it falls due by the clock that is behind
		"cp-slow":   now.Add(-apart + 25*time.Second), // the same, while somebody is at work on it
		"cp-early":  now.Add(apart + 15*time.Second),  // it falls due by the clock that is ahead
	}
	s := &stream{due: make(map[lab.Slot]bool), last: now.Add(30 * time.Second)}
	var configured []string
	for pack, at := range due {
		configured = append(configured, pack+at.Format(`, schedule: "5 4 15 2 1 *"`))
		if pack != "cp-early" {
			s.due[lab.SlotAt(pack, at)] = true
		}
	}
	c.configure(lab.Setup{Defaults: once, Packs: configured})
	for i, m := range c.members {
		shift := apart * time.Duration(1-i)
		m.wrapper = []string{"sh", "-c", fmt.Sprintf(`shift; PACKSEAL_TEST_SHIFT=%d exec %s "$@"`, int(shift.Seconds()), shifted), "sh"}
	}
	c.start()
	c.ready()
	for i, m := range c.members {
		if off, want := time.Until(m.p.clock()), apart*time.Duration(1-i); (off - want).Abs() > time.Minute {
			t.Fatalf("the clock of %d is %v off, not %v", i, off, want)
		}
	}
	c.sealed(s)
	time.Sleep(time.Until(now.Add(35 * time.Second))) // all three clocks have passed the slots' times
	a := c.sealed(s)                                  // which includes that cp-early has not ended;
	early := func(r lab.Record) bool { return r.Text("pack") == "cp-early" && r.Text("reason") == "not_ready" }
	if !slices.ContainsFunc(c.members, func(m *member) bool { return slices.ContainsFunc(m.p.Log.Records(), early) }) {
		t.Error("nobody says that a slot is not due yet")
	}
	c.members[1].p.Eventually(lab.Patience, func() string {
		if n, ok := c.members[1].p.Metric("packseal_queue_pending", ""); !ok || n != 1 { // it waits
			return fmt.Sprintf("%v slots are in the queue", n)
		}
		return ""
	})
	c.madeOnce(packs[:3])
	c.stop()
	t.Logf("%d slots sealed, the latest %v after it was due", a.Sealed(), c.latest().Round(time.Millisecond))
}

// clock is what the process takes the time for, by the last record of its log.
func (p *process) clock() time.Time {
	p.rig.t.Helper()
	records := p.Log.Records()
	if len(records) == 0 {
		p.rig.t.Fatal("it has logged nothing")
	}
	return records[len(records)-1].Time
}

// shiftable builds the program, unchanged, with a standard library whose clock
// on the wall is off by as many seconds as PACKSEAL_TEST_SHIFT says. Elapsed
// time goes by as ever, as it does where a machine's clock is set wrong.
func shiftable(t *testing.T) (path string) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir, library := t.TempDir(), filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	source, err := os.ReadFile(filepath.Join(library, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	reading := regexp.MustCompile(`(?m)^func Now\(\) Time {\n\tsec, .*$`)
	if n := len(reading.FindAll(source, -1)); n != 1 {
		t.Fatalf("package time reads the clock in %d places", n)
	}
	files := map[string]string{
		"time.go": reading.ReplaceAllString(string(source), "$0\n\tsec += shift"),
		"shift.go": `package time

import "syscall"

var shift = func() int64 {
	s, _ := syscall.Getenv("PACKSEAL_TEST_SHIFT")
	n, _ := atoi(s)
	return int64(n)
}()
`,
	}
	overlay := struct{ Replace map[string]string }{make(map[string]string)}
	for name, content := range files {
		overlay.Replace[filepath.Join(library, name)] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "packseal")
	out, err := exec.Command("go", "build", "-trimpath", "-overlay", filepath.Join(dir, "overlay.json"), "-o", path, "packseal.example/cmd/packseal").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}
