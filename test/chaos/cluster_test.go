//go:build chaos

package chaos

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// cluster is several daemons with one archive and one simulated API.
type cluster struct {
	*rig           // what all have in common; no daemon runs in it
	sinks   string // the archive as a sink
	members []*member
}

// member is one of the daemons, in a folder of its own. It reaches the API by
// an address of its own, so that a test knows who calls.
type member struct {
	*rig
	number  int
	address string // for the others
	queue   string
	wrapper []string // the program that runs it, if any
	p       *process // the one that runs, or ran last
	asked   atomic.Pointer[func(pack string)]
}

// networks counts clusters. Each has loopback addresses of its own, so that
// nobody takes a member's port while it is down.
var networks atomic.Int32

// newCluster makes so many members, that are not started.
func newCluster(t *testing.T, size int, packs []sim.Pack) *cluster {
	t.Helper()
	c := &cluster{rig: newRig(t, packs)}
	c.sinks = fmt.Sprintf("[{name: primary, local: {dir: %s}}]", c.archive)
	c.Write("token", "a-long-and-random-word-between-replicas")
	network, port := networks.Add(1), 20000+os.Getpid()%10000
	var routes []string
	for i := range size {
		m := &member{
			number: i, rig: &rig{t: t, archive: c.archive},
			address: fmt.Sprintf("127.1.%d.%d:%d", network, i+1, port),
		}
		m.Lab = c.Member(fmt.Sprint("m", i), func(http.Handler) http.Handler { return m })
		c.members = append(c.members, m)
		routes = append(routes, m.address)
	}
	for i, m := range c.members {
		m.queue = c.joined(i, fmt.Sprintf("routes: [%s]", strings.Join(routes, ", ")))
	}
	return c
}

// joined is the configuration of the queue of a member that finds the others
// by what is said.
func (c *cluster) joined(i int, others string) string {
	return fmt.Sprintf("{embedded: {cluster: {member: m%d, size: %d, listen: %q, token_file: %s/token, %s}}}",
		i, len(c.members), c.members[i].address, c.Dir, others)
}

// configure writes the configuration of every member.
func (c *cluster) configure(o lab.Setup) {
	c.t.Helper()
	for _, m := range c.members {
		o.Sinks, o.Queue = c.sinks, m.queue
		m.configure(o)
	}
}

// start starts these members, or all.
func (c *cluster) start(members ...*member) {
	c.t.Helper()
	if len(members) == 0 {
		members = c.members
	}
	for _, m := range members {
		m.p = m.rig.start(m.wrapper...)
	}
}

// ready waits until these members are, or all.
func (c *cluster) ready(members ...*member) {
	c.t.Helper()
	if len(members) == 0 {
		members = c.members
	}
	for _, m := range members {
		m.p.Ready()
	}
}

// stop ends all members with SIGTERM.
func (c *cluster) stop() {
	c.t.Helper()
	for _, m := range c.members {
		m.p.stop()
	}
}

// ServeHTTP is the rig's, and tells the test which pack is asked about.
func (m *member) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if f := m.asked.Load(); f != nil {
		if pack := r.URL.Query().Get("CompliancePackId"); pack != "" {
			(*f)(pack)
		}
	}
	m.rig.ServeHTTP(rw, r)
}

// stream are packs with one slot each, that fall due one after the other.
type stream struct {
	packs []string // for the configuration
	due   map[lab.Slot]bool
	last  time.Time
}

// once is what holds for a stream's packs.
const once = `catch_up: 1h, timeout: 30m, schedule: "0 0 1 1 *"`

// newStream spreads the slots of packs evenly over a time that begins then.
func newStream(packs []sim.Pack, begin time.Time, over time.Duration) *stream {
	s := &stream{due: make(map[lab.Slot]bool)}
	for i, p := range packs {
		due := begin.Add(over * time.Duration(i) / time.Duration(len(packs))).UTC().Truncate(time.Second)
		s.packs = append(s.packs, p.ID+due.Format(`, schedule: "5 4 15 2 1 *"`))
		s.due[lab.SlotAt(p.ID, due)] = true
		s.last = due
	}
	return s
}

// sealed waits until every slot of the stream is sealed in the archive, and
// queue and spools are empty. None may be a gap, or anything else be there;
// slots of other packs are passed over.
func (c *cluster) sealed(s *stream, others ...string) lab.Archive {
	c.t.Helper()
	var a lab.Archive
	c.members[0].p.Eventually(max(0, time.Until(s.last))+2*time.Minute, func() string {
		a = lab.ReadArchive(c.archive)
		n := 0
		for slot := range s.due {
			if a.Slots[slot].Sealed != nil {
				n++
			}
		}
		if n < len(s.due) {
			return fmt.Sprintf("%d slots are sealed of %d", n, len(s.due))
		}
		return ""
	})
	a.Check(c.t)
	for slot, e := range a.Slots {
		if !s.due[slot] && !strings.Contains(strings.Join(others, " "), slot.Pack) || s.due[slot] && e.Gap != "" {
			c.t.Errorf("%v ends as %+v", slot, e)
		}
	}
	return a
}

// idle waits until queue and spools are empty.
func (c *cluster) idle() {
	c.t.Helper()
	for _, m := range c.members {
		state := filepath.Join(m.Dir, "state")
		m.p.Eventually(2*time.Minute, func() string {
			n, ok := m.p.Metric("packseal_queue_pending", "")
			if left := lab.Spooled(state); len(left) > 0 || !ok || n > 0 {
				return fmt.Sprintf("%v in the queue, %v in the spool", n, left)
			}
			return ""
		})
		lab.CheckSpoolEmpty(c.t, state)
	}
}

// numbered are so many packs, each with a script of its own.
func numbered(n int, script func(i int) sim.Script) (packs []sim.Pack) {
	for i := range n {
		packs = append(packs, sim.Pack{ID: fmt.Sprintf("cp-%020d", i), Script: script(i)})
	}
	return packs
}

// madeOnce holds that no report was made twice for a slot.
func (c *cluster) madeOnce(packs []sim.Pack) {
	c.t.Helper()
	for _, p := range packs {
		if n := c.Made(p.ID); n != 1 {
			c.t.Errorf("of %s %d reports were made", p.ID, n)
		}
	}
}
