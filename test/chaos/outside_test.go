//go:build chaos

package chaos

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// natsServer is one of a cluster of servers that are not packseal's.
type natsServer struct {
	t       *testing.T
	binary  string
	config  string
	address string
	monitor string
	cmd     *exec.Cmd
}

// start starts the server.
func (n *natsServer) start() {
	n.t.Helper()
	n.cmd = exec.Command(n.binary, "-c", n.config)
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(n.kill)
}

// kill is kill -9, and waits.
func (n *natsServer) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

// healthy returns "" when the server has caught up with the others.
func (n *natsServer) healthy() string {
	answer, err := http.Get("http://" + n.monitor + "/healthz")
	if err != nil {
		return err.Error()
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return n.monitor + ": " + answer.Status
	}
	return ""
}

// newNATS makes three servers in operator mode that form a cluster, and the
// credentials of a user of theirs. They are not started.
func newNATS(t *testing.T) (servers []*natsServer, creds string) {
	t.Helper()
	trust, creds := operators(t)
	// That of the module: on a busy machine older ones have come back from a
	// kill with a consumer that is silent for good, see docs/development/reliability.md.
	binary := filepath.Join(t.TempDir(), "nats-server")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Fatalf("building nats-server: %v\n%s", err, out)
	}
	network, port := networks.Add(1), 20000+os.Getpid()%10000
	host := func(i int) string { return fmt.Sprintf("127.1.%d.%d", network, i+1) }
	var routes []string
	for i := range 3 {
		routes = append(routes, fmt.Sprintf("nats-route://%s:%d", host(i), port+1))
	}
	for i := range 3 {
		dir := t.TempDir()
		s := &natsServer{t: t, binary: binary, config: filepath.Join(dir, "nats.conf"), address: fmt.Sprintf("nats://%s:%d", host(i), port)}
		s.monitor = fmt.Sprintf("%s:%d", host(i), port+2)
		config := fmt.Sprintf("listen: %q\nhttp: %q\nserver_name: n%d\njetstream {store_dir: %q}\ncluster {name: outside, listen: \"%s:%d\", routes: [%s]}\n%s",
			net.JoinHostPort(host(i), fmt.Sprint(port)), s.monitor, i, dir, host(i), port+1, strings.Join(routes, ", "), trust)
		if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		servers = append(servers, s)
	}
	return servers, creds
}

// operators makes an operator, an account with JetStream and a user: what a
// server's configuration says of them, and the user's .creds file.
func operators(t *testing.T) (trust, creds string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key := func(made nkeys.KeyPair, err error) (nkeys.KeyPair, string) {
		t.Helper()
		must(err)
		public, err := made.PublicKey()
		must(err)
		return made, public
	}
	operator, operatorID := key(nkeys.CreateOperator())
	_, systemID := key(nkeys.CreateAccount())
	account, accountID := key(nkeys.CreateAccount())
	user, userID := key(nkeys.CreateUser())
	o := jwt.NewOperatorClaims(operatorID)
	o.SystemAccount = systemID
	signed, err := o.Encode(operator)
	must(err)
	systemJWT, err := jwt.NewAccountClaims(systemID).Encode(operator)
	must(err)
	a := jwt.NewAccountClaims(accountID)
	a.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: -1, MemoryStorage: -1, Streams: -1, Consumer: -1}
	accountJWT, err := a.Encode(operator)
	must(err)
	userJWT, err := jwt.NewUserClaims(userID).Encode(account)
	must(err)
	seed, err := user.Seed()
	must(err)
	decorated, err := jwt.FormatUserConfig(userJWT, seed)
	must(err)
	return fmt.Sprintf("operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: {%s: %s, %s: %s}\n",
		signed, systemID, systemID, systemJWT, accountID, accountJWT), string(decorated)
}

// TestOutsideNATS has two daemons share a cluster of three NATS servers that
// know them by a .creds file. Each server is killed and comes back, and so do
// the daemons, while slots fall due.
func TestOutsideNATS(t *testing.T) {
	t.Parallel()
	servers, creds := newNATS(t)
	var addresses []string
	for _, s := range servers {
		s.start()
		addresses = append(addresses, s.address)
	}
	packs := numbered(60, func(int) sim.Script {
		return sim.Script{Make: time.Duration(rand.IntN(500)) * time.Millisecond, Size: rand.IntN(100 << 10)}
	})
	c := newCluster(t, 2, packs)
	c.Write("nats.creds", creds)
	for _, m := range c.members {
		m.queue = fmt.Sprintf("{nats: {servers: [%s], credentials_file: %s/nats.creds}}", strings.Join(addresses, ", "), c.Dir)
	}
	s := newStream(packs, time.Now().Add(10*time.Second), 30*time.Second)
	c.configure(lab.Setup{Defaults: once, Packs: s.packs})
	c.start()
	c.ready()
	for i, n := range servers {
		n.kill()
		c.ready() // two are enough
		m := c.members[i%2]
		m.p.kill()
		c.start(m)
		c.ready()
		n.start()
		m.p.Eventually(time.Minute, n.healthy) // only then may the next one go
	}
	a := c.sealed(s)
	c.stop()
	c.start() // sweeps what a ticket left in the spool of who was killed
	c.idle()
	c.madeOnce(packs)
	c.stop()
	for _, m := range c.members {
		if _, key, _ := strings.Cut(creds, "NKEY SEED-----\n"); strings.Contains(m.p.Log.String(), key[:58]) {
			t.Error("the key is in the log")
		}
	}
	t.Logf("%d slots sealed, the latest %v after it was due", a.Sealed(), c.latest().Round(time.Millisecond))
}
