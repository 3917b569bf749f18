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
)

// TestClusterStranger: one of three comes back with another token, or with
// certificates of another CA. It does not join, both sides say so and what to
// do, and the two others do the work. Mended and started again, it joins.
func TestClusterStranger(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"token", "certificate"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			packs := cast(10, func(int) sim.Script { return sim.Script{} })
			c := newCluster(t, 3, packs)
			s := newStream(packs, time.Now().Add(10*time.Second), 15*time.Second)
			c.write("another", "MARKED-another-random-word")
			for _, name := range []string{"ours", "theirs"} {
				c.certificates(name)
			}
			right, wrong := c.dir+"/token,", c.dir+"/another,"
			if by == "certificate" {
				right, wrong = c.dir+"/ours", c.dir+"/theirs"
				for _, m := range c.members {
					tls := strings.ReplaceAll("tls: {ca_file: X.pem, cert_file: X-member.pem, key_file: X-member.key}", "X", right)
					m.queue = strings.Replace(m.queue, "token_file: "+c.dir+"/token", tls, 1)
				}
			}
			stranger, others := c.members[2], c.members[:2]
			good := configuration{plan: once, packs: s.packs, sinks: c.sinks, queue: stranger.queue}
			c.configure(good)
			c.start()
			c.ready()
			stranger.p.stop()
			bad := good
			bad.queue = strings.ReplaceAll(good.queue, right, wrong)
			stranger.configure(bad)
			c.start(stranger)
			for _, m := range c.members {
				m.p.says(30*time.Second, "replica refused by another one")
			}
			stranger.p.says(30*time.Second, "1 are here")
			c.ready(others...)
			c.sealed(s)
			if stranger.p.unready() == "" {
				t.Error("the stranger says to be ready")
			}
			stranger.p.stop()
			if log := stranger.p.log.String(); strings.Contains(log, "MARKED") || strings.Count(log, "replica refused") > 3 {
				t.Errorf("the log has the token, or says it too often:\n%s", stranger.p.log.tail())
			}
			stranger.configure(good)
			c.start(stranger)
			c.ready()
			c.idle()
			c.stop()
		})
	}
}

// certificates writes a new CA, and a certificate of it for members.
func (w *world) certificates(name string) {
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
		w.write(file+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})))
		w.write(file+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
		return template, key
	}
	ca, signer := issue(name, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	issue(name+"-member", &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "member"}, NotAfter: time.Now().Add(time.Hour)}, ca, signer)
}
