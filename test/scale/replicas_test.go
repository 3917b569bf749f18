//go:build scale

package scale

import (
	"fmt"
	"testing"
	"time"
)

// TestReplicas has one, two and three processes seal the same packs: bound by
// how often the API may be asked, by how many reports may be in the making, and
// by nothing but the machine.
func TestReplicas(t *testing.T) {
	t.Parallel()
	packs := number(t, "PACKSEAL_PACKS", 200)
	for name, l := range map[string]load{
		"rate":    {packs: min(packs, 30), inFlight: 64, rate: 5},
		"flight":  {packs: packs, inFlight: 64, rate: 100_000},
		"machine": {packs: packs, inFlight: 4096, rate: 100_000},
	} {
		l.sources = 1
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range []struct {
				n    int
				kind string
			}{{1, alone}, {3, cluster}, {1, outside}, {2, outside}, {3, outside}} {
				t.Run(fmt.Sprintf("%d %s", c.n, c.kind), func(t *testing.T) {
					t.Parallel()
					measure(t, l, c.n, c.kind)
				})
			}
		})
	}
}

func measure(t *testing.T, l load, n int, kind string) {
	t.Helper()
	f := newFleet(t, l, n, kind)
	r := f.run(t)
	calls, _ := f.calls()
	var resident int64
	for _, p := range f.replicas {
		resident = max(resident, memory(p, "VmHWM"))
	}
	took := f.settle(t)
	slots := float64(l.packs)
	t.Logf("%.1f slots/s (%d in %v), %.2f calls a slot, CPU a slot: packseal %.2f ms, queue's server %.2f ms, simulator %.2f ms; at most %.0f MiB resident each",
		slots/took.Seconds(), l.packs, took.Round(10*time.Millisecond), float64(calls)/slots, ms(r.used.packseal)/slots, ms(r.used.queue)/slots, ms(r.used.api)/slots, mib(resident))
}
