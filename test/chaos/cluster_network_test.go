//go:build chaos

package chaos

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// The faults of a line between two members.
const (
	lineCut    = "cut"    // connections end, and none comes about
	lineSilent = "silent" // connections stay, and nothing comes through
)

// lines are all there is between the members of a cluster. Each member is known
// to the others by an address of its own, where the lines take connections;
// where it listens in truth is known to nobody else.
type lines struct {
	c       *cluster
	fronts  []string
	latency time.Duration

	mu    sync.Mutex
	fault string // of the line to and from
	lone  *member
	open  map[net.Conn][2]*member // and who is at its ends
}

// between puts lines between the members of a cluster that is not started.
func between(c *cluster, latency time.Duration) *lines {
	c.t.Helper()
	l := &lines{c: c, latency: latency, open: make(map[net.Conn][2]*member)}
	for _, m := range c.members {
		l.fronts = append(l.fronts, strings.Replace(m.address, "127.1.", "127.2.", 1))
	}
	for i, m := range c.members {
		m.queue = c.joined(i, fmt.Sprintf("routes: [%s]", strings.Join(l.fronts, ", ")))
		front, err := net.Listen("tcp", l.fronts[i])
		if err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(func() { _ = front.Close() })
		go func() {
			for {
				from, err := front.Accept()
				if err != nil {
					return
				}
				go l.carry(from, m)
			}
		}()
	}
	return l
}

// carry is one connection to a member. The one that it comes from tells others
// of the address that it sees, so that is the address of the caller's front.
func (l *lines) carry(from net.Conn, called *member) {
	defer from.Close() //nolint:errcheck // it may be gone
	caller := l.caller(from)
	if caller == nil || l.state(caller, called) == lineCut {
		return
	}
	host, _, _ := net.SplitHostPort(l.fronts[caller.number])
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}, Timeout: time.Second}
	target, err := dialer.Dial("tcp", called.address)
	if err != nil {
		return
	}
	defer target.Close() //nolint:errcheck // likewise
	l.mu.Lock()
	l.open[from] = [2]*member{caller, called}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.open, from)
		l.mu.Unlock()
	}()
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(&line{to, l, caller, called}, from)
		_ = to.Close()
	}
	go pass(from, target)
	pass(target, from)
}

// caller returns whose connection that is: the kernel knows.
func (l *lines) caller(c net.Conn) *member {
	from := fmt.Sprintf(":%04X", c.RemoteAddr().(*net.TCPAddr).Port)
	to := fmt.Sprintf(":%04X", c.LocalAddr().(*net.TCPAddr).Port)
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		l.c.t.Error(err)
		return nil
	}
	for row := range strings.Lines(string(table)) {
		f := strings.Fields(row)
		if len(f) < 10 || !strings.HasSuffix(f[1], from) || !strings.HasSuffix(f[2], to) {
			continue
		}
		for _, m := range l.c.members {
			files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", m.p.Cmd.Process.Pid))
			for _, file := range files {
				if name, _ := os.Readlink(file); name == "socket:["+f[9]+"]" {
					return m
				}
			}
		}
	}
	return nil // it has hung up
}

// state returns what is wrong with the line between two members.
func (l *lines) state(a, b *member) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a == l.lone || b == l.lone {
		return l.fault
	}
	return ""
}

// isolate has the fault on all lines of one member; nil repairs them.
func (l *lines) isolate(m *member, fault string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lone, l.fault = m, fault
	if fault == lineCut {
		for c, ends := range l.open {
			if ends[0] == m || ends[1] == m {
				_ = c.Close()
			}
		}
	}
}

// line is a writer to one end that suffers what the line does.
type line struct {
	net.Conn
	*lines
	a, b *member
}

// Write takes its time, for as long as the line is silent.
func (l *line) Write(p []byte) (int, error) {
	time.Sleep(l.latency)
	for l.state(l.a, l.b) == lineSilent {
		time.Sleep(20 * time.Millisecond)
	}
	return l.Conn.Write(p)
}

// TestClusterNetwork has one of three replicas lose the two others: its lines
// are cut, or they go silent. It says that it is not ready, the others go on,
// and when the lines are back it is one of them again. The third variant has a
// slow network all the time.
func TestClusterNetwork(t *testing.T) {
	t.Parallel()
	for name, latency := range map[string]time.Duration{lineCut: 0, lineSilent: 0, "slow": 100 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			packs := numbered(80, func(int) sim.Script {
				return sim.Script{Make: time.Duration(rand.IntN(2000)) * time.Millisecond, Size: rand.IntN(100 << 10)}
			})
			c := newCluster(t, 3, packs)
			l := between(c, latency)
			s := newStream(packs, time.Now().Add(10*time.Second), time.Minute)
			c.configure(lab.Setup{Defaults: once, Packs: s.packs})
			c.start()
			c.ready()
			if latency == 0 {
				c.alone(s, l, c.members[rand.IntN(3)], name)
			}
			a := c.sealed(s)
			c.idle()
			c.madeOnce(packs)
			c.stop()
			t.Logf("%d slots sealed, the latest %v after it was due; %d reports without manifest", a.Sealed(), c.latest().Round(time.Millisecond), a.Orphans)
		})
	}
}

// alone has a member lose the others for a while.
func (c *cluster) alone(s *stream, l *lines, lone *member, fault string) {
	c.t.Helper()
	time.Sleep(5 * time.Second) // all are at work
	l.isolate(lone, fault)
	began := time.Now()
	lone.p.Eventually(lab.Patience, func() string {
		if lone.p.Unready() == "" {
			return "alone, it says to be ready"
		}
		return ""
	})
	noticed := time.Since(began)
	for _, m := range c.members {
		if m != lone {
			m.p.Eventually(2*time.Minute, func() string { return c.goesOn(s, began, 8) })
			m.p.Ready()
		}
	}
	went := time.Since(began)
	l.isolate(nil, "")
	began = time.Now()
	c.ready()
	c.t.Logf("%s: the one alone says so after %v, the others have sealed 8 more after %v, all are ready %v after the line is back", fault,
		noticed.Round(time.Millisecond), went.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}
