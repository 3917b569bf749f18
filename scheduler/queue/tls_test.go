package queue

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"packseal.example/internal/secret"
)

// certificates makes a CA and, signed by it, a certificate for loopback that
// serves both sides of a connection.
func certificates(t testing.TB) *TLS {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		return k
	}
	template := func(serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
	}
	ca, caKey, ourKey := template(1), key(), key()
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	must(err)
	der, err := x509.CreateCertificate(rand.Reader, template(2), ca, &ourKey.PublicKey, caKey)
	must(err)
	keyDER, err := x509.MarshalECPrivateKey(ourKey)
	must(err)
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return &TLS{
		CAFile:   file(t, "ca.pem", text("CERTIFICATE", caDER)),
		CertFile: file(t, "cert.pem", text("CERTIFICATE", der)),
		KeyFile:  secret.File(file(t, "key.pem", text("EC PRIVATE KEY", keyDER))),
	}
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
