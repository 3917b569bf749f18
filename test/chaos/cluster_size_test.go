//go:build chaos

package chaos

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

// TestClusterSizes takes replicas away from a cluster of five and one of seven,
// one by one: without two of them it goes on, and whoever is left alone by most
// of the others says so and does nothing, until they are back.
func TestClusterSizes(t *testing.T) {
	t.Parallel()
	for _, size := range []int{5, 7} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			packs := cast(60, func(int) sim.Script { return sim.Script{} })
			c := newCluster(t, size, packs)
			s := newStream(packs, time.Now().Add(10*time.Second), 40*time.Second)
			c.configure(configuration{plan: once, packs: s.packs})
			c.start()
			c.ready()
			c.members[0].p.kill()
			c.members[1].p.kill()
			left := c.members[2:]
			c.ready(left...)
			before := readArchive(c.archive).sealed()
			left[0].p.eventually(time.Minute, func() string {
				if now := readArchive(c.archive).sealed(); now < before+3 {
					return fmt.Sprintf("%d slots sealed, %d more without two replicas", now, now-before)
				}
				return ""
			})
			most := size/2 + 1
			for len(left) >= most {
				left[0].p.kill()
				left = left[1:]
			}
			for _, m := range left {
				m.p.eventually(time.Minute, func() string {
					if says := m.p.unready(); !strings.Contains(says, "are gone") && !strings.Contains(says, "does not answer") {
						return "not ready is not what it says, but: " + says
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
