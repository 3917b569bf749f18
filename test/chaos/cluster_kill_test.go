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
	"packseal.example/test/lab"
)

// TestClusterKill kills one of three replicas with kill -9 at each step of its
// work, at random, and starts it again, over and over, while slots fall due all
// the time. In every fourth round the store of the one that was killed is
// deleted before it is back.
func TestClusterKill(t *testing.T) {
	t.Parallel()
	const rigs = 3 // side by side, as most of the time replicas choose a new leader
	for i := range rigs {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			killingOne(t, (rounds(t, 24)+rigs-1)/rigs)
		})
	}
}

// pace is how long a round takes, more or less: after every third kill there
// is no leader for 4 to 9 seconds, which is the engine's own time.
const pace = 2 * time.Second

func killingOne(t *testing.T, rounds int) {
	packs := numbered(4*rounds, func(i int) sim.Script {
		s := sim.Script{Make: time.Duration(rand.IntN(300)) * time.Millisecond, Size: rand.IntN(200 << 10)}
		if i%3 == 1 {
			s.Standing = 2 * 365 * 24 * time.Hour // never to be sealed
		}
		return s
	})
	c := newCluster(t, 3, packs)
	s := newStream(packs, time.Now().Add(3*time.Second), time.Duration(rounds)*pace)
	c.configure(lab.Setup{Defaults: once, Packs: s.packs})
	c.start()
	c.ready()
	aimed, orphans := 0, 0
	for i := range rounds {
		m, hit := c.hits(steps[rand.IntN(len(steps))], 2*pace)
		if hit {
			aimed++
		}
		time.Sleep(rand.N(25 * time.Millisecond))
		m.p.kill()
		if i%4 == 3 {
			if err := os.RemoveAll(filepath.Join(m.Dir, "state", "queue")); err != nil {
				t.Fatal(err)
			}
		}
		c.start(m)
		if i%3 > 0 {
			c.ready(m) // after the others, the next one may go before it is back
		}
		a := lab.ReadArchive(c.archive)
		a.Check(t)
		orphans = a.Orphans
	}
	a := c.sealed(s)
	t.Logf("%d kills, %d of them at the step that was aimed at; %d slots sealed, %d reports without manifest", rounds, aimed, a.Sealed(), orphans)
	c.stop()
	c.start() // sweeps what a ticket left in the spool of who was killed
	c.idle()
	c.madeOnce(packs)
	c.stop()
}

// hits returns the first member to reach a step, or any when none does for so
// long. At the start of one, there is none to wait for.
func (c *cluster) hits(step string, within time.Duration) (m *member, hit bool) {
	any := c.members[rand.IntN(len(c.members))]
	if step == stepStart {
		return any, true
	}
	reached := make(chan *member, 1)
	for _, m := range c.members {
		f := func(s string) {
			if s == step {
				select {
				case reached <- m:
				default: // another was first
				}
			}
		}
		m.step.Store(&f)
		defer m.step.Store(nil)
	}
	select {
	case m := <-reached:
		return m, true
	case <-time.After(within):
		return any, false
	}
}
