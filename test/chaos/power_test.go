//go:build chaos

package chaos

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

// TestPowerLoss cuts the power at every step, at random, with state and
// archive on one disk. What the log says is sealed is sealed afterwards, no
// manifest is without its object, and what was at work is made up for.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	d := newDisk(t, "192M", t.TempDir())
	rounds := max(1, rounds(t, 200)/8)
	var cast []sim.Pack
	for i := range rounds * perRound {
		cast = append(cast, sim.Pack{ID: fmt.Sprintf("cp-%020d", i), Script: sim.Script{Size: rand.IntN(200 << 10)}})
	}
	w := newWorld(t, cast)
	w.archive, w.unwatched = filepath.Join(d.dir, "archive"), true
	c := configuration{state: d.dir + "/state", sinks: fmt.Sprintf("[{name: primary, local: {dir: %s/archive}}]", d.dir)}
	promised := make(map[string]bool)
	for i := range rounds {
		for _, p := range cast[i*perRound : (i+1)*perRound] {
			c.packs = append(c.packs, p.ID)
		}
		w.configure(c)
		p := w.runTo(steps[rand.IntN(len(steps))], rand.N(60*time.Millisecond))
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGSTOP)
		for _, pack := range sealedLine.FindAllStringSubmatch(p.log.String(), -1) {
			promised[pack[1]] = true
		}
		d.losePower(p.kill)
		a := readArchive(filepath.Join(d.dir, "archive"))
		a.check(t)
		kept := make(map[string]bool)
		for s, e := range a.slots {
			kept[s.pack] = e.sealed != nil
		}
		for pack := range promised {
			if !kept[pack] {
				t.Errorf("round %d: %s was sealed and is not any more", i, pack)
			}
		}
	}
	t.Logf("%d losses of power, %d slots sealed before one of them", rounds, len(promised))
	p := w.start()
	p.settled(len(c.packs), w.archive, c.state)
	p.ends()
}

// sealedLine is the log line that promises a pack's slot.
var sealedLine = regexp.MustCompile(`"msg":"sealed","pack":"([^"]+)"`)

// settled waits until so many slots are sealed in the archive, none is a gap,
// and queue and spool are empty.
func (p *process) settled(slots int, archive, state string) {
	p.t.Helper()
	p.eventually(2*time.Minute, func() string {
		a := readArchive(archive)
		n, ok := p.metric("packseal_queue_pending", "")
		if left := spooled(state); a.sealed() != slots || len(left) > 0 || !ok || n > 0 {
			return fmt.Sprintf("%d slots sealed of %d, %v in the queue, %v in the spool", a.sealed(), slots, n, left)
		}
		return ""
	})
	a := readArchive(archive)
	a.check(p.t)
	if len(a.slots) != slots {
		p.t.Errorf("there are gaps: %v", a.slots)
	}
	emptySpool(p.t, state)
}
