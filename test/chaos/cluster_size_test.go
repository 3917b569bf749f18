//go:build chaos

package chaos

import (
	"fmt"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestClusterSizes takes replicas away from a cluster of five and one of seven,
// one by one: without two of them it goes on, and whoever is left alone by most
// of the others says so and does nothing, until they are back.
func TestClusterSizes(t *testing.T) {
	t.Parallel()
	for _, size := range []int{5, 7} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			packs := numbered(60, func(int) sim.Script { return sim.Script{} })
			c := newCluster(t, size, packs)
			s := newStream(packs, time.Now().Add(20*time.Second), time.Minute)
			c.configure(lab.Setup{Defaults: once, Packs: s.packs})
			c.start()
			c.ready()
			c.members[0].p.kill()
			c.members[1].p.kill()
			killed, left := time.Now(), c.members[2:]
			c.ready(left...)
			left[0].p.Eventually(2*time.Minute, func() string { return c.goesOn(s, killed, 3) })
			majority := min(size, 5)/2 + 1 // of the copies, of which there are five at most
			for len(left) >= majority {
				left[0].p.kill()
				left = left[1:]
			}
			for _, m := range left {
				m.p.Eventually(lab.Patience, func() string {
					if m.p.Unready() == "" {
						return "it is ready without a majority"
					}
					return ""
				})
			}
			c.start(c.members[:size-len(left)]...)
			c.ready()
			c.sealed(s)
			c.stop()
			c.start() // sweeps what tickets left in the spools of who was killed
			c.idle()
			c.madeOnce(packs)
			c.stop()
		})
	}
}

// goesOn returns "" once so many slots are sealed that have fallen due since a
// time, or all that the stream has.
func (c *cluster) goesOn(s *stream, since time.Time, want int) string {
	a, sealed, left := lab.ReadArchive(c.archive), 0, 0
	for slot := range s.due {
		switch {
		case a.Slots[slot].Sealed == nil:
			left++
		case slot.At().After(since):
			sealed++
		}
	}
	if sealed < want && left > 0 {
		return fmt.Sprintf("%d slots are sealed of those due since then, and %d are to come", sealed, left)
	}
	return ""
}
