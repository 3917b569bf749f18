//go:build chaos

package chaos

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// usage is what a process takes of the machine.
type usage struct{ goroutines, files, memory int } // memory in MiB

// usage reads it, memory and files from /proc.
func (p *process) usage() (u usage) {
	p.rig.t.Helper()
	p.Eventually(lab.Patience, func() string {
		n, ok := p.Metric("go_goroutines", "")
		if u.goroutines = int(n); !ok {
			return "no metrics"
		}
		return ""
	})
	u.files, u.memory = p.files(), p.memory("VmRSS:")
	return u
}

// files counts the descriptors that it has open.
func (p *process) files() int {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Cmd.Process.Pid))
	if err != nil {
		p.rig.t.Error(err)
	}
	return len(files)
}

// memory is a line of /proc/PID/status, in MiB: VmRSS now, VmHWM at most.
func (p *process) memory(line string) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid))
	_, rest, ok := strings.Cut(string(text), line)
	fields := strings.Fields(rest)
	if err != nil || !ok || len(fields) == 0 {
		p.rig.t.Errorf("no %s of the process: %v", line, err)
		return 0
	}
	kib, err := strconv.Atoi(fields[0])
	if err != nil {
		p.rig.t.Error(err)
	}
	return kib >> 10
}

// slack is by how many goroutines and descriptors a process may differ from
// itself a moment ago: connections of the queue, of the last scrapes and calls.
const slack = 15

// calms waits until the process takes what it took before.
func (p *process) calms(before usage) {
	p.rig.t.Helper()
	p.Eventually(time.Minute, func() string {
		if now := p.usage(); now.goroutines > before.goroutines+slack || now.files > before.files+slack {
			return fmt.Sprintf("%+v, before it was %+v", now, before)
		}
		return ""
	})
}

// needFiles raises the number of descriptors that this process, and what it
// starts, may have open.
func needFiles(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < n {
		lab.Missing(t, "%s", fmt.Sprintf("%d open files take a higher limit than %d (ulimit -Hn)", n, limit.Max))
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

// TestDownloads: 1,000 reports fall due at once and are downloaded at the same
// time: none of the downloads goes on before all of them have begun. What that
// took is given back.
func TestDownloads(t *testing.T) {
	t.Parallel()
	const many = 1000
	needFiles(t, 5000)
	var all []sim.Pack
	for i := range many {
		all = append(all, sim.Pack{ID: fmt.Sprintf("cp-%020d", i), Script: sim.Script{Blob: true, Size: 100 << 10}})
	}
	w := newRig(t, all)
	w.HTTP.Config.IdleTimeout = 5 * time.Second // so that connections are not kept for minutes
	c := lab.Setup{
		Defaults: in(5*time.Second) + ", catch_up: 10m, timeout: 5m",
		Source:   "requests_per_second: 2000, max_in_flight: 1000, request_timeout: 20s", Fetch: polls + "stall_after: 1m",
	}
	for _, p := range all {
		c.Packs = append(c.Packs, p.ID)
	}
	w.configure(c)
	var begun atomic.Int32
	together, onward := make(chan struct{}), make(chan struct{})
	gather := func(step string) {
		if step != stepDownload {
			return
		}
		if begun.Add(1) == many {
			close(together)
		}
		select {
		case <-onward:
		case <-t.Context().Done():
		}
	}
	w.step.Store(&gather)
	p := w.start()
	p.Ready()
	before := p.usage()
	<-together
	during := p.usage()
	close(onward)
	p.settled(many, w.archive, w.Path("state"))
	p.calms(before)
	t.Logf("before %+v, with %d downloads %+v, afterwards %+v; %d MiB at most", before, many, during, p.usage(), p.memory("VmHWM:"))
	if during.files < many || p.memory("VmHWM:") > 768 {
		t.Errorf("%+v during the downloads, %d MiB at most", during, p.memory("VmHWM:"))
	}
	p.ends()
}

// slowly has a server drip: its first bytes at once, then one each half second,
// forever, or none.
func slowly(rw http.ResponseWriter, r *http.Request, first string, drips bool) {
	c, _, err := rw.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer c.Close() //nolint:errcheck // the other side has gone
	_, err = fmt.Fprint(c, first)
	for err == nil {
		time.Sleep(500 * time.Millisecond)
		if drips {
			_, err = fmt.Fprint(c, "x")
		} else if r.Context().Err() != nil {
			return
		}
	}
}

// TestDrip: servers that send a byte now and then forever hold up their own
// slots alone, and these no longer than their time-out.
func TestDrip(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long-", 25)
	w := newRig(t, []sim.Pack{{ID: "cp-body"}, {ID: "cp-header"}, {ID: "cp-silent"}, {ID: "cp-api"}, {ID: "cp-" + long, Aggregator: "ca-" + long}, {ID: "cp-good"}})
	slow := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked := r.URL.String() + r.Header.Get("X-Acs-Action")
		switch {
		case strings.Contains(asked, "cp-api"):
			slowly(rw, r, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n", true)
		case r.URL.Path != "/" && strings.Contains(asked, "cp-body"):
			slowly(rw, r, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", true)
		case r.URL.Path != "/" && strings.Contains(asked, "cp-header"):
			slowly(rw, r, "HTTP/1.1 200 OK\r\nX-Header: ", true)
		case r.URL.Path != "/" && strings.Contains(asked, "cp-silent"):
			slowly(rw, r, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nx", false)
		default:
			w.serve(rw, r)
		}
	})
	w.broken.Store(&slow)
	const patience = "timeout: 30s"
	w.configure(lab.Setup{Packs: []string{
		"cp-body, " + patience, "cp-header, " + patience, "cp-silent, " + patience, "cp-api, " + patience,
		"cp-" + long + ", aggregator: ca-" + long, "cp-good",
	}})
	p := w.start()
	p.Ready()
	before := p.usage()
	p.Eventually(25*time.Second, func() string { // while the others drip
		if a := lab.ReadArchive(w.archive); a.Sealed() != 2 || len(a.Slots) != 2 {
			return fmt.Sprintf("%+v", a.Slots)
		}
		return ""
	})
	p.Eventually(lab.Patience, func() string {
		gaps := 0
		for _, e := range lab.ReadArchive(w.archive).Slots {
			if e.Gap == "deadline" {
				gaps++
			}
		}
		if gaps != 4 {
			return fmt.Sprintf("%d gaps", gaps)
		}
		return ""
	})
	p.clears()
	p.calms(before)
	p.ends()
}
