package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/ledger/stamp/stamptest"
)

// BenchmarkAudit builds the static binary and audits the bundle of 150 packs of a year
// with 730 stamped checkpoints. It shows the bundle's size, and what the audit takes of
// time, of cores and of memory at its peak.
func BenchmarkAudit(b *testing.B) {
	dir := b.TempDir()
	binary := filepath.Join(dir, "packseal")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	authority, l := stamptest.New(b, "tsa"), audittest.New(b)
	l.Authority = func(_ string, at time.Time, checkpoint []byte) []byte { return authority.Stamp(b, checkpoint, at) }
	bundle := l.Year(150).Zip(b)
	if err := (evidenceFiles{files: map[string][]byte{"year.zip": bundle, "roots.pem": authority.Root}}).write(dir); err != nil {
		b.Fatal(err)
	}
	var wall, cpu time.Duration
	var rss float64
	for b.Loop() {
		cmd := exec.Command(binary, "audit", "year.zip", "--key", l.Key, "--tsa-roots", "roots.pem")
		cmd.Dir = dir
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		begin := time.Now()
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		peak := make(chan float64)
		go func() { peak <- peakMemory(cmd.Process.Pid) }()
		if err := cmd.Wait(); err != nil {
			b.Fatalf("%v: %s", err, &out)
		}
		wall = max(wall, time.Since(begin))
		cpu = max(cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		rss = max(rss, <-peak)
	}
	b.ReportMetric(float64(len(bundle))/1e6, "bundle-MB")
	b.ReportMetric(wall.Seconds(), "wall-s")
	b.ReportMetric(cpu.Seconds(), "cpu-s")
	b.ReportMetric(rss, "rss-MiB")
}

// peakMemory returns the most memory that a process had, in MiB, as of shortly before
// it ended. What wait says instead counts the process that started it, too.
func peakMemory(pid int) (peak float64) {
	line := regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
	for {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		m := line.FindSubmatch(status)
		if err != nil || m == nil { // it has ended
			return peak
		}
		kib, _ := strconv.ParseFloat(string(m[1]), 64)
		peak = kib / 1024
		time.Sleep(5 * time.Millisecond)
	}
}
