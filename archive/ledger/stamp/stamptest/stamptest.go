// Package stamptest is a time-stamping authority (RFC 3161) for tests, which can also
// be made to issue what it must not. It shares no code with what verifies.
package stamptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TimeStamping is the value of the extension for extended key usage that a signer needs.
var TimeStamping = []byte{0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08}

// Authority signs with a certificate of its own root, valid from 2020 to 2120. It is an
// http.Handler as RFC 3161, 3.4 describes. Set its fields before the first use.
type Authority struct {
	Root  []byte           // PEM
	Pool  *x509.CertPool   // of Root
	Self  Signer           // what it signs with
	Now   func() time.Time // default time.Now
	Forge func(*Parts)     // changes what is issued; nil: nothing

	root Signer

	mu     sync.Mutex
	serial int64
}

// Signer is a key with its certificate.
type Signer struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// New makes an authority.
func New(t testing.TB, name string) *Authority {
	t.Helper()
	a := &Authority{Now: time.Now}
	a.root = a.issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name + " root"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	a.Root = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Cert.Raw})
	a.Pool = x509.NewCertPool()
	a.Pool.AddCert(a.root.Cert)
	a.Self = a.Issue(t, name, func(*x509.Certificate) {})
	return a
}

// Issue issues a certificate for time-stamping, as change makes it.
func (a *Authority) Issue(t testing.TB, name string, change func(*x509.Certificate)) Signer {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: a.next(), Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: TimeStamping}},
	}
	change(c)
	return a.issue(t, c)
}

func (a *Authority) issue(t testing.TB, c *x509.Certificate) Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	parent := a.root
	if parent.Cert == nil {
		parent = Signer{c, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent.Cert, key.Public(), parent.Key)
	if err == nil {
		c, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	return Signer{c, key}
}

func (a *Authority) next() *big.Int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serial++
	return big.NewInt(a.serial + 1)
}

// Stamp returns a TimeStampResp over data at a time, without a nonce.
func (a *Authority) Stamp(t testing.TB, data []byte, at time.Time) []byte {
	t.Helper()
	sum := sha256.Sum256(data)
	resp, err := a.reply(Imprint{pkix.AlgorithmIdentifier{Algorithm: SHA256, Parameters: asn1.NullRawValue}, sum[:]}, nil, at)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// ServeHTTP answers a query.
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Version int
		Imprint Imprint
		Policy  asn1.ObjectIdentifier `asn1:"optional"`
		Nonce   *big.Int              `asn1:"optional"`
		CertReq bool                  `asn1:"optional"`
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		_, err = asn1.Unmarshal(body, &q)
	}
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/timestamp-query" || !q.CertReq {
		http.Error(w, "not a query for a time-stamp with certificates", http.StatusBadRequest)
		return
	}
	resp, err := a.reply(q.Imprint, q.Nonce, a.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	w.Write(resp) //nolint:errcheck // the client has gone
}
