//go:build scale

package scale

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fleet is some processes of packseal that share the work, and the archive.
type fleet struct {
	*place
	*tally
	replicas []*process
	server   *process // of the queue, when it is outside
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
	w := newPlace(t, l)
	f := &fleet{place: w, tally: newTally(l.packs)}
	var ports []string
	for range n + 1 {
		ports = append(ports, freePort(t))
	}
	if kind == outside {
		f.serve(t, ports[n])
	}
	paths := make([]string, n)
	for i := range n {
		queue := ""
		switch kind {
		case cluster:
			write(t, filepath.Join(w.dir, "token"), "between-the-replicas-of-the-test")
			queue = fmt.Sprintf("embedded: {cluster: {member: r%d, listen: %q, routes: [%s], token_file: token}}", i, ports[i], strings.Join(ports[:n], ", "))
		case outside:
			queue = fmt.Sprintf("nats: {servers: [%q], replicas: 1}", "nats://"+ports[n])
		default:
			queue = "embedded: {}"
		}
		paths[i] = w.configure(t, fmt.Sprintf("r%d", i), queue)
	}
	f.started = time.Now()
	for _, path := range paths {
		f.replicas = append(f.replicas, start(t, f.tally.hear, binary, "run", "--config", path))
	}
	for _, p := range f.replicas {
		p.ready(t, w.due)
	}
	return f
}

// serve starts a server for the queue, outside.
func (f *fleet) serve(t *testing.T, address string) {
	t.Helper()
	nats, err := exec.LookPath("nats-server")
	if err != nil {
		missing(t, err.Error())
	}
	host, port, _ := net.SplitHostPort(address)
	f.server = start(t, nil, nats, "-js", "-sd", filepath.Join(f.dir, "nats"), "-a", host, "-p", port)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the queue's server does not answer\n%s", f.server.log())
		}
	}
}

// freePort is an address that nobody listened on a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it served its purpose
	return l.Addr().String()
}

// usage is what the processes have used of the machine so far.
type usage struct {
	packseal, api, queue time.Duration // processor time
}

func (f *fleet) usage() (u usage) {
	for _, p := range f.replicas {
		u.packseal += p.cpu()
	}
	if f.server != nil {
		u.queue = f.server.cpu()
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
	for i := range f.replicas {
		n += taken(filepath.Join(f.dir, fmt.Sprintf("r%d", i), "queue"))
	}
	return n + taken(filepath.Join(f.dir, "nats"))
}

// result is what one measurement comes to.
type result struct {
	took  time.Duration // from due to the last slot sealed
	used  usage
	queue int64 // the most that it took on the disk
}

// run waits for the due time, and then until all slots are sealed.
func (f *fleet) run(t *testing.T) (r result) {
	t.Helper()
	time.Sleep(time.Until(f.due))
	before := f.usage()
	patience := time.NewTimer(f.jitter + time.Minute + time.Duration(f.packs)*time.Second)
	defer patience.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-f.all:
			r.used = f.usage().since(before)
			r.took = f.last.Sub(f.due)
			return r
		case <-look.C:
			r.queue = max(r.queue, f.queueBytes())
			for _, p := range f.replicas {
				select {
				case <-p.done:
					t.Fatalf("it has ended: %v\n%s", p.err, p.log())
				default:
				}
			}
		case <-patience.C:
			t.Fatalf("%d slots sealed of %d\n%s", f.count(), f.packs, f.replicas[0].log())
		}
	}
}

// settle waits until queue and spools are empty, ends the processes and holds
// the archive against what was to be done.
func (f *fleet) settle(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		left := f.left()
		if left == "" {
			break
		}
		if time.Now().After(end) {
			t.Fatal(left)
		}
	}
	for _, p := range f.replicas {
		p.stop(t)
	}
	f.check(t)
	for pack, n := range f.sealed {
		if n != 1 {
			t.Errorf("%s was sealed %d times", pack, n)
		}
	}
}

// left says what is in queue and spools, or nothing.
func (f *fleet) left() string {
	for i, p := range f.replicas {
		metrics, _, err := p.get("/metrics")
		if n, ok := metric(metrics, "packseal_queue_pending", ""); err != nil || !ok || n > 0 {
			return fmt.Sprintf("replica %d: %v slots in the queue, %v, %v", i, n, ok, err)
		}
		if files, err := filepath.Glob(filepath.Join(f.dir, fmt.Sprintf("r%d", i), "spool", "*")); err != nil || len(files) > 0 {
			return fmt.Sprintf("replica %d: %d files in the spool, %v", i, len(files), err)
		}
	}
	return ""
}
