//go:build scale

package scale

import (
	"fmt"
	"testing"
	"time"

	"packseal.example/test/lab"
)

// TestPacks has one process with many packs seal a slot of each, and tells
// what that costs.
func TestPacks(t *testing.T) {
	t.Parallel()
	l := load{
		packs: number(t, "PACKSEAL_PACKS", 200), sources: number(t, "PACKSEAL_SOURCES", 1), jitter: jitter(t),
		inFlight: number(t, "PACKSEAL_FLIGHT", 256), rate: number(t, "PACKSEAL_RATE", 100_000),
	}
	f := newFleet(t, l, 1, alone)
	p := f.replicas[0]
	t.Logf("start to ready       %v", time.Since(f.started).Round(10*time.Millisecond))
	idle(t, p)
	r := f.run(t)
	calls, _ := f.calls()
	slots := float64(l.packs)
	t.Logf("calls a slot         %.2f", float64(calls)/slots)
	t.Logf("CPU a slot           %.2f ms, of the simulator %.2f ms", ms(r.used.packseal)/slots, ms(r.used.api)/slots)
	t.Logf("queue at its largest %.1f MiB", mib(r.queue))
	idle(t, p)
	for _, op := range []string{"list", "open", "put"} {
		n, _ := p.Metric("packseal_sink_operations_total", fmt.Sprintf("op=%q", op))
		t.Logf("sink, %-14s %.2f a slot, the start included", op, n/slots)
	}
	t.Logf("archive, on disk     %.1f KiB a slot", float64(taken(f.archive))/slots/1024)
	took := f.settle(t)
	t.Logf("due to last sealed   %v, %.1f slots/s", took.Round(100*time.Millisecond), slots/took.Seconds())
	again := time.Now()
	p = f.members[0].Start()
	p.Eventually(time.Hour, p.Unready)
	t.Logf("start to ready       %v, with a slot of each pack in the archive", time.Since(again).Round(10*time.Millisecond))
	idle(t, p)
	p.Eventually(time.Hour, func() string {
		if n, ok := p.Metric("packseal_archive_slots", `result="sealed"`); !ok || int(n) != l.packs {
			return fmt.Sprintf("the metrics have %v slots sealed, the archive %d", n, l.packs)
		}
		return ""
	})
	t.Logf("start to all known   %v", time.Since(again).Round(10*time.Millisecond))
	p.Stop()
}

// idle tells of a process that has nothing to do.
func idle(t *testing.T, p *lab.Process) {
	t.Helper()
	t.Logf("resident             %.0f MiB, at most so far %.0f MiB", mib(memory(p, "VmRSS")), mib(memory(p, "VmHWM")))
	for _, path := range []string{"/", "/api/v1/packs", "/metrics"} {
		began := time.Now()
		body, err := p.Get(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		t.Logf("%-20s %.1f MiB in %v", path, mib(int64(len(body))), time.Since(began).Round(time.Millisecond))
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
