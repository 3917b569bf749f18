//go:build scale

package scale

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
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
	t.Logf("due to last sealed   %v, %.1f slots/s", r.took.Round(100*time.Millisecond), slots/r.took.Seconds())
	t.Logf("calls a slot         %.2f", float64(calls)/slots)
	t.Logf("CPU a slot           %.2f ms, of the simulator %.2f ms", ms(r.used.packseal)/slots, ms(r.used.api)/slots)
	t.Logf("queue at its largest %.1f MiB", mib(r.queue))
	metrics := idle(t, p)
	for _, op := range []string{"list", "open", "put"} {
		n, _ := metric(metrics, "packseal_sink_operations_total", fmt.Sprintf("op=%q", op))
		t.Logf("sink, %-14s %.2f a slot, the start included", op, n/slots)
	}
	t.Logf("archive, on disk     %.1f KiB a slot", float64(taken(f.archive))/slots/1024)
	f.settle(t)
	again := time.Now()
	p = start(t, nil, binary, "run", "--config", filepath.Join(f.dir, "r0.yaml"))
	p.ready(t, again.Add(time.Hour))
	t.Logf("start to ready       %v, with a slot of each pack in the archive", time.Since(again).Round(10*time.Millisecond))
	if n, ok := metric(idle(t, p), "packseal_slots_total", `result="sealed"`); !ok || int(n) != l.packs {
		t.Errorf("the metrics have %v slots sealed, the archive %d", n, l.packs)
	}
	p.stop(t)
}

// idle tells of a process that has nothing to do, and returns its metrics.
func idle(t *testing.T, p *process) (metrics []byte) {
	t.Helper()
	t.Logf("resident             %.0f MiB, at most so far %.0f MiB", mib(p.memory("VmRSS")), mib(p.memory("VmHWM")))
	for _, path := range []string{"/", "/api/v1/packs", "/metrics"} {
		body, took, err := p.get(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		t.Logf("%-20s %.1f MiB in %v", path, mib(int64(len(body))), took.Round(time.Millisecond))
		metrics = body
	}
	return metrics
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
