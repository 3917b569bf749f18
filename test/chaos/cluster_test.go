//go:build chaos

package chaos

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

// cluster is several daemons with one archive and one simulated API.
type cluster struct {
	*world  // what all have in common; no daemon runs in it
	archive string
	sinks   string // the archive as a sink
	members []*member
}

// member is one of the daemons, in a folder of its own. It reaches the API by
// an address of its own, so that a test knows who calls.
type member struct {
	*world
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
	c := &cluster{world: newWorld(t, packs)}
	c.archive = filepath.Join(c.dir, "archive")
	c.sinks = fmt.Sprintf("[{name: primary, local: {dir: %s}}]", c.archive)
	c.write("token", "a-long-and-random-word-between-replicas")
	network, port := networks.Add(1), 20000+os.Getpid()%10000
	var routes []string
	for i := range size {
		m := &member{
			number:  i,
			world:   &world{Server: c.Server, t: t, dir: filepath.Join(c.dir, fmt.Sprint("m", i)), archive: c.archive},
			address: fmt.Sprintf("127.1.%d.%d:%d", network, i+1, port),
		}
		if err := os.Mkdir(m.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		m.write("key-id", keyID)
		m.write("key-secret", secret)
		server := httptest.NewServer(m)
		t.Cleanup(server.Close)
		m.url = server.URL
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
		i, len(c.members), c.members[i].address, c.dir, others)
}

// configure writes the configuration of every member.
func (c *cluster) configure(o configuration) {
	c.t.Helper()
	for _, m := range c.members {
		o.sinks, o.queue = c.sinks, m.queue
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
		m.p = m.world.start(m.wrapper...)
	}
}

// ready waits until these members are, or all.
func (c *cluster) ready(members ...*member) {
	c.t.Helper()
	if len(members) == 0 {
		members = c.members
	}
	for _, m := range members {
		m.p.eventually(time.Minute, func() string { return m.p.unready() })
	}
}

// stop ends all members with SIGTERM.
func (c *cluster) stop() {
	c.t.Helper()
	for _, m := range c.members {
		m.p.stop()
	}
}

// unready returns what the daemon says about why it is not ready, or "".
func (p *process) unready() string {
	answer, err := http.Get(address.FindString(p.log.String()) + "/-/ready")
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	if answer.StatusCode == http.StatusOK {
		return ""
	}
	text := make([]byte, 500)
	n, _ := answer.Body.Read(text)
	return fmt.Sprintf("%s: %s", answer.Status, text[:n])
}

// ServeHTTP is the world's, and tells the test which pack is asked about.
func (m *member) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if f := m.asked.Load(); f != nil {
		if pack := r.URL.Query().Get("CompliancePackId"); pack != "" {
			(*f)(pack)
		}
	}
	m.world.ServeHTTP(rw, r)
}

// stream are packs with one slot each, that fall due one after the other.
type stream struct {
	packs []string // for the configuration
	due   map[slot]bool
	last  time.Time
}

// once is what holds for a stream's packs.
const once = `catch_up: 1h, timeout: 30m, schedule: "0 0 1 1 *"`

// newStream spreads the slots of packs evenly over a time that begins then.
func newStream(packs []sim.Pack, begin time.Time, over time.Duration) *stream {
	s := &stream{due: make(map[slot]bool)}
	for i, p := range packs {
		due := begin.Add(over * time.Duration(i) / time.Duration(len(packs))).UTC().Truncate(time.Second)
		s.packs = append(s.packs, p.ID+due.Format(`, schedule: "5 4 15 2 1 *"`))
		s.due[slot{p.ID, due.Format(dueForm)}] = true
		s.last = due
	}
	return s
}

// sealed waits until every slot of the stream is sealed in the archive, and
// queue and spools are empty. None may be a gap, or anything else be there;
// slots of other packs are passed over.
func (c *cluster) sealed(s *stream, others ...string) archive {
	c.t.Helper()
	var a archive
	c.members[0].p.eventually(max(0, time.Until(s.last))+2*time.Minute, func() string {
		a = readArchive(c.archive)
		n := 0
		for slot := range s.due {
			if a.slots[slot].sealed != nil {
				n++
			}
		}
		if n < len(s.due) {
			return fmt.Sprintf("%d slots are sealed of %d", n, len(s.due))
		}
		return ""
	})
	a.check(c.t)
	for slot, e := range a.slots {
		if !s.due[slot] && !strings.Contains(strings.Join(others, " "), slot.pack) || s.due[slot] && e.gap != "" {
			c.t.Errorf("%v ends as %+v", slot, e)
		}
	}
	return a
}

// idle waits until queue and spools are empty.
func (c *cluster) idle() {
	c.t.Helper()
	for _, m := range c.members {
		state := filepath.Join(m.dir, "state")
		m.p.eventually(2*time.Minute, func() string {
			n, ok := m.p.metric("packseal_queue_pending", "")
			if left := spooled(state); len(left) > 0 || !ok || n > 0 {
				return fmt.Sprintf("%v in the queue, %v in the spool", n, left)
			}
			return ""
		})
		emptySpool(c.t, state)
	}
}

// cast are so many packs with reports of all sizes, each some time in the
// making.
func cast(n int, script func(i int) sim.Script) (packs []sim.Pack) {
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
