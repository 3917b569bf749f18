//go:build chaos

package chaos

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestClusterStranger: one of three comes back with another token, or with
// certificates of another CA. It does not join, both sides say so and what to
// do, and the two others do the work. With the right one again, it joins.
func TestClusterStranger(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"token", "certificate"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			packs := numbered(10, func(int) sim.Script { return sim.Script{} })
			c := newCluster(t, 3, packs)
			s := newStream(packs, time.Now().Add(10*time.Second), 15*time.Second)
			c.Write("another", "MARKED-another-random-word")
			for _, name := range []string{"ours", "theirs"} {
				c.certificates(name)
			}
			right, wrong := c.Dir+"/token,", c.Dir+"/another,"
			if by == "certificate" {
				right, wrong = c.Dir+"/ours", c.Dir+"/theirs"
				for _, m := range c.members {
					tls := strings.ReplaceAll("tls: {ca_file: X.pem, cert_file: X-member.pem, key_file: X-member.key}", "X", right)
					m.queue = strings.Replace(m.queue, "token_file: "+c.Dir+"/token", tls, 1)
				}
			}
			stranger, others := c.members[2], c.members[:2]
			good := lab.Setup{Defaults: once, Packs: s.packs, Sinks: c.sinks, Queue: stranger.queue}
			c.configure(good)
			c.start()
			c.ready()
			stranger.p.stop()
			bad := good
			bad.Queue = strings.ReplaceAll(good.Queue, right, wrong)
			stranger.configure(bad)
			c.start(stranger)
			var refusal string
			for _, m := range c.members {
				refusal = m.p.Logs(lab.Patience, "what to do about the refusal", refused).Msg
			}
			c.ready(others...)
			c.sealed(s)
			if stranger.p.Unready() == "" {
				t.Error("the stranger says to be ready")
			}
			stranger.p.stop()
			said := 0
			for _, r := range stranger.p.Log.Records() {
				if r.Msg == refusal {
					said++
				}
			}
			if said > 3 || strings.Contains(stranger.p.Log.String(), "MARKED") {
				t.Errorf("the log has the token, or says it too often (%d times):\n%s", said, stranger.p.Log.Tail())
			}
			stranger.configure(good)
			c.start(stranger)
			c.ready()
			c.idle()
			c.stop()
		})
	}
}

// refused reports whether a record warns of a connection between replicas and
// says what to do: nothing else of the queue's has a hint.
func refused(r lab.Record) bool {
	return r.Level == "WARN" && r.Has("hint") && !r.Has("pack") && !r.Has("sink") && !r.Has("channel")
}

// certificates writes a new CA, and a certificate of it for members.
func (w *rig) certificates(name string) {
	w.t.Helper()
	issue := func(file string, template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			w.t.Fatal(err)
		}
		if signer == nil {
			signer, parent = key, template
		}
		raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			w.t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			w.t.Fatal(err)
		}
		w.Write(file+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})))
		w.Write(file+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
		return template, key
	}
	ca, signer := issue(name, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	issue(name+"-member", &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "member"}, NotAfter: time.Now().Add(time.Hour)}, ca, signer)
}
