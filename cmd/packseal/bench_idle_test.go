package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"packseal.example/internal/fault"
)

// idleFor is how long BenchmarkIdle watches the daemon do nothing.
const idleFor = 20 * time.Second

// BenchmarkIdle builds the static binary, runs it with 1,000 packs of which
// none falls due, and shows its size, how soon it is ready, and what it takes
// of a core and of memory. It reads Linux' /proc.
func BenchmarkIdle(b *testing.B) {
	dir := b.TempDir()
	binary := filepath.Join(dir, "packseal")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	fi, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	manyConfig(b, dir, "http://127.0.0.1:9", "@yearly", "0s", "")
	var ready, cpu, rss float64
	for b.Loop() {
		r, c, m := idle(b, binary, filepath.Join(dir, "packseal.yaml"))
		ready, cpu, rss = max(ready, r.Seconds()), max(cpu, c/idleFor.Seconds()*100), max(rss, m)
	}
	b.ReportMetric(float64(fi.Size())/1e6, "binary-MB")
	b.ReportMetric(ready, "ready-s")
	b.ReportMetric(cpu, "cpu-%")
	b.ReportMetric(rss, "rss-MiB")
}

// idle runs the daemon: how long until it is ready, then its seconds of CPU
// while it has nothing to do, and its memory in MiB at the end.
func idle(b *testing.B, binary, configuration string) (ready time.Duration, cpu, rss float64) {
	b.Helper()
	stderr, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer stderr.Close()
	daemon := exec.Command(binary, "run", "--config", configuration)
	daemon.Stderr = w
	began := time.Now()
	if err := daemon.Start(); err != nil {
		b.Fatal(err)
	}
	w.Close()
	defer func() {
		if daemon.Process.Signal(os.Interrupt) == nil {
			daemon.Wait() //nolint:errcheck // it was interrupted
		}
	}()
	probe := pageOf(b, stderr) + "/-/ready"
	go io.Copy(io.Discard, stderr) //nolint:errcheck // ends with the daemon
	for {
		resp, err := http.Get(probe)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if ready = time.Since(began); ready > time.Minute {
			b.Fatal("not ready after a minute")
		}
		fault.Sleep(b.Context(), 2*time.Millisecond)
	}
	ready = time.Since(began)
	fault.Sleep(b.Context(), 3*time.Second) // what starting leaves to be done
	before, _ := usage(b, daemon.Process.Pid)
	fault.Sleep(b.Context(), idleFor)
	after, rss := usage(b, daemon.Process.Pid)
	return ready, after - before, rss
}

// pageOf reads the address of the page from the daemon's first line.
func pageOf(b *testing.B, r io.Reader) string {
	b.Helper()
	var said []byte
	for one := make([]byte, 1); !bytes.HasSuffix(said, []byte("\n")); said = append(said, one[0]) {
		if _, err := r.Read(one); err != nil {
			b.Fatalf("the daemon said %q: %v", said, err)
		}
	}
	address := regexp.MustCompile(`http://[^"]+`).Find(said)
	if address == nil {
		b.Fatalf("the daemon said %q", said)
	}
	return string(address)
}

// usage is what a process has taken of a core, in seconds, and its memory.
func usage(b *testing.B, pid int) (cpu, rss float64) {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skipf("usage is read from Linux' /proc: %v", err)
	}
	// From the third field on, behind the name in brackets: fields 14 and 15
	// are ticks of 10 ms, field 24 is pages.
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	number := func(field int) float64 {
		n, err := strconv.ParseFloat(f[field-3], 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return (number(14) + number(15)) / 100, number(24) * float64(os.Getpagesize()) / (1 << 20)
}
