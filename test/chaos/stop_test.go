//go:build chaos

package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
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
			w.configure(lab.Setup{Defaults: fmt.Sprintf("schedule: %q, time_zone: UTC, catch_up: 25h, timeout: 1m", c.schedule), Packs: []string{twoPacks[0].ID}})
			archive, state := w.Path("archive"), w.Path("state")
			planned(t, archive, time.Now().Add(-c.down), evidence.PlannedPack{Source: "prod", Pack: twoPacks[0].ID, Schedule: c.schedule, Zone: "UTC"})
			var p *process
			var was string
			for range 3 {
				p = w.start()
				p.Eventually(time.Minute, func() string {
					a := lab.ReadArchive(archive)
					if gaps := len(a.Slots) - a.Sealed(); a.Sealed() < 1 || gaps < c.slots-1 {
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
				if was = now; a.Sealed() > 2 || len(a.Slots) > c.slots+1 {
					t.Errorf("%s of %d slots", now, c.slots)
				}
			}
			t.Log(was)
		})
	}
}

// planned writes into an archive that a pack was scheduled since then.
func planned(t *testing.T, archive string, since time.Time, pack evidence.PlannedPack) {
	t.Helper()
	records, err := evidence.NewPlan([]evidence.PlannedPack{pack}, since.Truncate(time.Second), "packseal/test")
	if err != nil {
		t.Fatal(err)
	}
	key, raw, err := records[0].Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(archive, filepath.Dir(key)), 0o755); err != nil {
		t.Fatal(err)
	}
	lab.Write(t, archive, map[string]string{key: string(raw)})
}
