//go:build chaos

package chaos

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestPowerLoss cuts the power at every step, at random, with state and
// archive on one disk. What the log says is sealed is sealed afterwards, no
// manifest is without its object, and what was at work is made up for.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	d := newDisk(t, "192M", t.TempDir())
	rounds := max(1, rounds(t, 200)/8)
	var all []sim.Pack
	for i := range rounds * perRound {
		all = append(all, sim.Pack{ID: fmt.Sprintf("cp-%020d", i), Script: sim.Script{Size: rand.IntN(200 << 10)}})
	}
	w := newRig(t, all)
	w.archive, w.unwatched = filepath.Join(d.dir, "archive"), true
	c := lab.Setup{State: d.dir + "/state", Sinks: fmt.Sprintf("[{name: primary, local: {dir: %s/archive}}]", d.dir)}
	promised := make(map[string]bool)
	for i := range rounds {
		for _, p := range all[i*perRound : (i+1)*perRound] {
			c.Packs = append(c.Packs, p.ID)
		}
		w.configure(c)
		p := w.runTo(steps[rand.IntN(len(steps))], rand.N(60*time.Millisecond))
		p.Signal(syscall.SIGSTOP)
		for _, r := range p.Log.Records() {
			if r.Level == "INFO" && r.Has("sha256") { // only of a slot that is sealed
				promised[r.Text("pack")] = true
			}
		}
		d.losePower(p.kill)
		a := lab.ReadArchive(filepath.Join(d.dir, "archive"))
		a.Check(t)
		kept := make(map[string]bool)
		for s, e := range a.Slots {
			kept[s.Pack] = e.Sealed != nil
		}
		for pack := range promised {
			if !kept[pack] {
				t.Errorf("round %d: %s was sealed and is not any more", i, pack)
			}
		}
	}
	t.Logf("%d losses of power, %d slots sealed before one of them", rounds, len(promised))
	p := w.start()
	p.settled(len(c.Packs), w.archive, c.State)
	p.ends()
}
