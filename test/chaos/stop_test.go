//go:build chaos

package chaos

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestStop ends the daemon with SIGTERM at each step, at random. It ends within
// the grace period, and the next one goes on at once: nothing waits for the
// queue to miss the worker.
func TestStop(t *testing.T) {
	t.Parallel()
	n := max(1, rounds(t, 200)/8)
	var all []sim.Pack
	for i := range n {
		all = append(all, sim.Pack{ID: fmt.Sprintf("cp-%020d", i), Script: sim.Script{
			Make: 300 * time.Millisecond, Size: 100 << 10,
			Body: sim.BodyFault{Kind: sim.BodyDrip, Pause: 50 * time.Millisecond, Times: 9},
		}})
	}
	w := newRig(t, all)
	var packs []string
	var longest, resumed time.Duration
	for i := range n {
		packs = append(packs, all[i].ID)
		w.configure(lab.Setup{Packs: packs})
		longest = max(longest, w.runTo(steps[rand.IntN(len(steps))], rand.N(50*time.Millisecond)).stop())
		if i%5 < 4 {
			continue // the work is taken up and given back a few times
		}
		p := w.start()
		began := time.Now()
		p.settled(len(packs), w.Path("archive"), w.Path("state"))
		resumed = max(resumed, time.Since(began))
		p.truthful()
		longest = max(longest, p.stop())
	}
	t.Logf("%d times stopped, within %v at most; all sealed within %v of the next start", n, longest.Round(time.Millisecond), resumed.Round(time.Millisecond))
	if resumed > 15*time.Second {
		t.Errorf("after a restart work took %v to be done", resumed)
	}
}

// TestDown: a daemon that was down for an hour, a day or a month makes up for
// the latest slot, records the others as gaps, and nothing twice.
func TestDown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		down     time.Duration
		schedule string
		slots    int
	}{
		"hour":  {time.Hour, "*/5 * * * *", 12},
		"day":   {24 * time.Hour, "0 * * * *", 24},
		"month": {30 * 24 * time.Hour, "30 2 * * *", 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRig(t, twoPacks[:1])
			w.configure(lab.Setup{Packs: []string{twoPacks[0].ID}})
			archive, state := w.Path("archive"), w.Path("state")
			p := w.start()
			p.settled(1, archive, state) // the first record: slots are owed from here on
			p.stop()
			since := time.Now().Add(-c.down).UTC().Format(time.RFC3339)
			w.configure(lab.Setup{Defaults: fmt.Sprintf("schedule: %q, catch_up: 25h, timeout: 1m", c.schedule), Packs: []string{twoPacks[0].ID + ", since: " + since}})
			var was string
			for range 3 {
				p = w.start()
				p.Eventually(time.Minute, func() string {
					a := lab.ReadArchive(archive)
					if gaps := len(a.Slots) - a.Sealed(); a.Sealed() < 2 || gaps < c.slots-1 {
						return fmt.Sprintf("%d sealed, %d gaps", a.Sealed(), gaps)
					}
					return ""
				})
				p.truthful()
				p.stop()
				a := lab.ReadArchive(archive)
				a.Check(t)
				lab.CheckSpoolEmpty(t, state)
				now := fmt.Sprintf("%d sealed, %d gaps", a.Sealed(), len(a.Slots)-a.Sealed())
				// One more may have fallen due while the test ran.
				if was = now; a.Sealed() > 3 || len(a.Slots) > c.slots+2 {
					t.Errorf("%s of %d slots", now, c.slots)
				}
			}
			t.Log(was)
		})
	}
}
