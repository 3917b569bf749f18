package queue

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"packseal.example/internal/certfile/certtest"
	"packseal.example/internal/secret"
)

// certificates issues certificates; see [certtest.Issue].
func certificates(t testing.TB) *TLS {
	t.Helper()
	ca, cert, key := certtest.Issue(t, t.TempDir())
	return &TLS{CAFile: ca, CertFile: cert, KeyFile: secret.File(key)}
}

// asked is a server's side that asks for a certificate of the same CA.
func asked(t testing.TB, c *TLS) *tls.Config {
	t.Helper()
	own, err := tls.LoadX509KeyPair(c.CertFile, string(c.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert}
}

func portOf(t testing.TB, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestMembersKnowOneAnother: two members with certificates of one CA join and
// a token is not needed; one with those of another CA, or without the token,
// is refused.
func TestMembersKnowOneAnother(t *testing.T) {
	t.Parallel()
	ours, theirs := certificates(t), certificates(t)
	good := newReplicas(t, func(_ int, c *Cluster) { c.TokenFile, c.TLS = "", ours })
	good.start(t, 0, 1, 2)
	publish(t, good.queues[1], task("cp-1", 0))
	good.stop(2)
	c := *good.options[2].Embedded.Cluster
	for name, change := range map[string]func(*Cluster){
		"another CA":     func(c *Cluster) { c.TLS = theirs },
		"no certificate": func(c *Cluster) { c.TLS, c.TokenFile = nil, secret.File(file(t, "token", "a-guess")) },
	} {
		stranger := c
		change(&stranger)
		stranger.Member = "stranger"
		b, err := join(Options{Dir: t.TempDir(), Logger: good.options[2].Logger, Embedded: &Embedded{Cluster: &stranger}}, stranger)
		if err != nil {
			t.Fatal(err)
		}
		refusedFor(t, b, good.queues[0], name)
		b.stop()
	}
}

// refusedFor watches that the server gets no route for as long as it takes to
// try several times.
func refusedFor(t *testing.T, b *broker, q *JetStream, name string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); <-tick.C {
		for _, peer := range q.stream.server.JetStreamClusterPeers() {
			if peer == "stranger" {
				t.Fatalf("%s: let in", name)
			}
		}
		if n := b.server.NumRemotes(); n > 0 {
			t.Fatalf("%s: %d servers took it in", name, n)
		}
	}
}
