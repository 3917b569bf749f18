//go:build chaos

package chaos

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestClusterDNS forms a cluster by a name that comes to have one address after
// the other, as that of a headless service does while pods start. One replica
// comes back under another address, without a change of any configuration.
func TestClusterDNS(t *testing.T) {
	t.Parallel()
	const name = "packseal-headless.test"
	packs := numbered(60, func(int) sim.Script { return sim.Script{} })
	c := newCluster(t, 3, packs)
	_, port, err := net.SplitHostPort(c.members[0].address)
	if err != nil {
		t.Fatal(err)
	}
	known := func(members ...*member) {
		hosts := "127.0.0.1 localhost\n"
		for _, m := range members {
			hosts += strings.TrimSuffix(m.address, ":"+port) + " " + name + "\n"
		}
		c.Write("hosts", hosts) // in place, so that all see it
	}
	for i, m := range c.members {
		m.queue = c.joined(i, fmt.Sprintf(`dns: "%s:%s"`, name, port))
		m.wrapper = withHosts(t, c.Dir+"/hosts")
	}
	s := newStream(packs, time.Now().Add(10*time.Second), 25*time.Second)
	c.configure(lab.Setup{Defaults: once, Packs: s.packs})
	for i, m := range c.members {
		known(c.members[:i+1]...)
		c.start(m)
		time.Sleep(time.Second) // pods come up one after the other
	}
	c.ready()
	last := c.members[2]
	last.p.stop()
	known(c.members[:2]...)
	last.address = strings.Replace(last.address, ".3:", ".33:", 1)
	last.queue = c.joined(2, fmt.Sprintf(`dns: "%s:%s"`, name, port))
	last.configure(lab.Setup{Defaults: once, Packs: s.packs, Sinks: c.sinks, Queue: last.queue})
	known(c.members...)
	c.start(last)
	c.ready()
	c.members[0].p.kill() // and the one that moved counts
	c.ready(c.members[1:]...)
	c.start(c.members[0])
	c.ready()
	c.sealed(s)
	c.stop()
	c.start()
	c.idle()
	c.stop()
}

// withHosts is a wrapper that runs a program with a file of its own in place
// of /etc/hosts.
func withHosts(t *testing.T, file string) []string {
	t.Helper()
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		lab.Missing(t, "%s", err.Error())
	}
	spaces := "-m"
	if os.Getuid() != 0 {
		spaces = "-rm"
	}
	return []string{unshare, spaces, "sh", "-c", fmt.Sprintf(`mount --bind %s /etc/hosts && exec "$@"`, file), "sh"}
}
