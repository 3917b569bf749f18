//go:build scale

package scale

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"packseal.example/test/lab"
)

// fleet is some processes of packseal that share the work, and the archive.
type fleet struct {
	*rig
	members  []*lab.Lab
	replicas []*lab.Process
	server   *lab.Process // of the queue, when it is outside
	started  time.Time
}

// kinds of queues.
const (
	alone   = "embedded" // in the one process
	cluster = "cluster"  // in the processes, joined
	outside = "nats"     // in a server of its own
)

// newFleet starts so many processes on a kind of queue, and waits until all of
// them are ready.
func newFleet(t *testing.T, l load, n int, kind string) *fleet {
	t.Helper()
	f := &fleet{rig: newRig(t, l)}
	ports := lab.Addresses(t, n+1)
	if kind == outside {
		f.serve(t, ports[n])
	}
	for i := range n {
		queue := ""
		switch kind {
		case cluster:
			f.Write("token", "between-the-replicas-of-the-test")
			queue = fmt.Sprintf("{embedded: {cluster: {member: r%d, listen: %q, routes: [%s], token_file: %s}}}", i, ports[i], strings.Join(ports[:n], ", "), f.Path("token"))
		case outside:
			queue = fmt.Sprintf("{nats: {servers: [%q], replicas: 1}}", "nats://"+ports[n])
		}
		f.members = append(f.members, f.Member(fmt.Sprintf("r%d", i), nil))
		f.configure(f.members[i], queue)
	}
	f.started = time.Now()
	for _, m := range f.members {
		f.replicas = append(f.replicas, m.Start())
	}
	for _, p := range f.replicas {
		p.Eventually(time.Until(f.due), p.Unready)
	}
	return f
}

// serve starts a server for the queue, outside.
func (f *fleet) serve(t *testing.T, address string) {
	t.Helper()
	nats := lab.Tool(t, "nats-server")
	host, port, _ := net.SplitHostPort(address)
	f.server = lab.Start(t, nats, "-js", "-sd", f.Path("nats"), "-a", host, "-p", port)
	f.server.Eventually(lab.Patience, func() string {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return err.Error()
		}
		_ = c.Close()
		return ""
	})
}

// usage is what the processes have used of the machine so far.
type usage struct {
	packseal, api, queue time.Duration // processor time
}

func (f *fleet) usage() (u usage) {
	for _, p := range f.replicas {
		u.packseal += cpu(p)
	}
	if f.server != nil {
		u.queue = cpu(f.server)
	}
	var self syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &self) == nil {
		u.api = time.Duration(self.Utime.Nano() + self.Stime.Nano())
	}
	return u
}

func (u usage) since(v usage) usage {
	return usage{u.packseal - v.packseal, u.api - v.api, u.queue - v.queue}
}

// queueBytes is what the queue's stores take on the disk.
func (f *fleet) queueBytes() (n int64) {
	for _, m := range f.members {
		n += taken(m.Path("state/queue"))
	}
	return n + taken(f.Path("nats"))
}

// result is what one measurement comes to.
type result struct {
	used  usage
	queue int64 // the most that it took on the disk
}

// run waits for the due time, and then until all slots are sealed.
func (f *fleet) run(t *testing.T) (r result) {
	t.Helper()
	time.Sleep(time.Until(f.due))
	before := f.usage()
	left := make([]int, f.packs)
	for i := range left {
		left[i] = i
	}
	end := time.Now().Add(f.jitter + time.Minute + time.Duration(f.packs)*time.Second)
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	for range look.C {
		if left = f.pending(left); len(left) == 0 {
			break
		}
		r.queue = max(r.queue, f.queueBytes())
		for _, p := range f.replicas {
			select {
			case <-p.Done:
				t.Fatalf("it has ended: %v\n%s", p.Cmd.ProcessState, p.Log.Tail())
			default:
			}
		}
		if time.Now().After(end) {
			t.Fatalf("%d slots are not sealed of %d\n%s", len(left), f.packs, f.replicas[0].Log.Tail())
		}
	}
	r.used = f.usage().since(before)
	return r
}

// settle waits until queue and spools are empty, ends the processes, compares
// the archive with what was to be done, and returns how long after the due time
// the last slot was sealed.
func (f *fleet) settle(t *testing.T) (took time.Duration) {
	t.Helper()
	f.replicas[0].Eventually(2*time.Minute, f.left)
	fetched := 0.0
	for _, p := range f.replicas {
		n, _ := p.Metric("packseal_late_seconds_count", "")
		fetched += n
	}
	if int(fetched) != f.packs {
		t.Errorf("the replicas have fetched %v reports, for %d slots", fetched, f.packs)
	}
	for _, p := range f.replicas {
		p.Stop()
	}
	return f.check(t).Sub(f.due)
}

// left says what is in queue and spools, or nothing.
func (f *fleet) left() string {
	for i, p := range f.replicas {
		if n, ok := p.Metric("packseal_queue_pending", ""); !ok || n > 0 {
			return fmt.Sprintf("replica %d: %v slots in the queue, %v", i, n, ok)
		}
		if files, err := filepath.Glob(f.members[i].Path("state/spool/*")); err != nil || len(files) > 0 {
			return fmt.Sprintf("replica %d: %d files in the spool, %v", i, len(files), err)
		}
	}
	return ""
}
