// Package stamp reads and verifies time-stamps (RFC 3161): the signed statement of
// an authority that some bytes existed at a time. It knows no storage, no clock and
// no network.
//
// A time-stamp is a TimeStampResp in DER, with the certificates of its signer. What
// makes one trustworthy is checked as a whole, by [Verify]:
//
//   - it was granted, and its content is a TSTInfo (RFC 3161, 2.4.2)
//   - one signer, whose certificate is in it and is bound by the signed attribute
//     signingCertificate (RFC 2634, SHA-1) or signingCertificateV2 (RFC 5035)
//   - that certificate is for time-stamping alone, and says so in a critical
//     extension (RFC 3161, 2.3)
//   - its chain leads to a root that the caller trusts, as of the time stamped: an
//     authority's certificate that has expired since does no harm
//   - the imprint is the SHA-256 of the bytes
//   - nothing is signed over SHA-1
//
// Revocation is not looked up.
package stamp

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"time"

	"packseal.example/internal/fault"
)

// MaxSize bounds a time-stamp, in bytes. Those of public authorities have 2 to 10 kB.
const MaxSize = 64 << 10

// ErrUntrusted is the error (by errors.Is) for a time-stamp that is whole, and whose
// authority leads to none of the roots.
var ErrUntrusted = errors.New("the authority's certificate leads to no root that is trusted")

// Token is what a time-stamp says.
type Token struct {
	Time      time.Time     // UTC
	Accuracy  time.Duration // how far Time can be off; 0 = it does not say
	Authority string        // the subject of the signer's certificate
	Expires   time.Time     // of that certificate
	Serial    *big.Int      // unique within the authority
	Policy    string        // the object identifier of the policy it was issued under
}

// Verify checks a time-stamp of data's bytes, and returns what it says. With roots nil
// the authority's chain is checked against the system's.
//
// The error is fault.Damaged; [ErrUntrusted] if nothing but the chain is wrong.
func Verify(resp, data []byte, roots *x509.CertPool) (Token, error) {
	return verify(resp, sha256.Sum256(data), nil, roots)
}

// ParseRoots reads PEM certificates that authorities' certificates have to lead to. Its
// error is fault.Request.
func ParseRoots(pem []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.Request, "it holds no PEM certificate")
	}
	return pool, nil
}

// Query asks an authority for a time-stamp.
type Query struct {
	sum   [sha256.Size]byte
	nonce *big.Int
}

// NewQuery returns a query, with a nonce of its own, for a time-stamp of data's bytes.
func NewQuery(data []byte) Query {
	var b [8]byte
	rand.Read(b[:]) //nolint:errcheck // it never fails
	b[0] = b[0]&0x7f | 0x40
	return Query{sha256.Sum256(data), new(big.Int).SetBytes(b[:])}
}

// Bytes returns the TimeStampReq in DER, which asks for the certificates.
func (q Query) Bytes() ([]byte, error) {
	b, err := asn1.Marshal(struct {
		Version int
		Imprint imprint
		Nonce   *big.Int
		CertReq bool
	}{1, imprint{pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}, q.sum[:]}, q.nonce, true})
	return b, fault.Wrap(fault.Internal, err)
}

// Verify checks the answer like [Verify], and that it answers this query. The error is
// fault.Unavailable or fault.Request if the authority refused.
func (q Query) Verify(resp []byte, roots *x509.CertPool) (Token, error) {
	return verify(resp, q.sum, q.nonce, roots)
}

func verify(resp []byte, sum [sha256.Size]byte, nonce *big.Int, roots *x509.CertPool) (Token, error) {
	m, err := open(resp)
	if err != nil {
		return Token{}, err
	}
	signer, err := m.verify()
	if err != nil {
		return Token{}, err
	}
	info, err := parseInfo(m.Content.Octets)
	if err != nil {
		return Token{}, err
	}
	switch {
	case !info.Imprint.Algorithm.Algorithm.Equal(oidSHA256):
		return Token{}, damaged("the imprint is not a SHA-256")
	case !bytes.Equal(info.Imprint.Sum, sum[:]):
		return Token{}, damaged("it is a time-stamp of other bytes")
	case nonce != nil && (info.Nonce == nil || info.Nonce.Cmp(nonce) != 0):
		return Token{}, damaged("it answers another query: the nonce differs")
	}
	if err := purpose(signer); err != nil {
		return Token{}, err
	}
	token := Token{info.Time.UTC(), info.Accuracy.duration(), signer.Subject.String(), signer.NotAfter, info.Serial, info.Policy.String()}
	return token, m.chain(signer, info.Time, roots)
}

// chain checks the signer's chain as of a time.
func (m *message) chain(signer *x509.Certificate, at time.Time, roots *x509.CertPool) error {
	between := x509.NewCertPool()
	for _, c := range m.certificates {
		between.AddCert(c)
	}
	_, err := signer.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	})
	if err != nil {
		return damaged("%w, as of %s: %w", ErrUntrusted, at.UTC().Format(time.RFC3339), err)
	}
	return nil
}

// purpose returns an error for a certificate that is not for time-stamping alone.
func purpose(c *x509.Certificate) error {
	var usages []pkix.Extension
	for _, e := range c.Extensions {
		if e.Id.Equal(oidExtKeyUsage) {
			usages = append(usages, e)
		}
	}
	switch {
	case len(usages) != 1 || len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping || len(c.UnknownExtKeyUsage) > 0:
		return damaged("the signer's certificate is not for time-stamping alone")
	case !usages[0].Critical:
		return damaged("the signer's certificate does not say in a critical extension that it is for time-stamping")
	case c.KeyUsage != 0 && c.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0:
		return damaged("the signer's certificate is not for signatures")
	}
	return nil
}

// info is a TSTInfo.
type info struct {
	Version    int
	Policy     asn1.ObjectIdentifier
	Imprint    imprint
	Serial     *big.Int
	Time       time.Time        `asn1:"generalized"`
	Accuracy   accuracy         `asn1:"optional"`
	Ordering   bool             `asn1:"optional"`
	Nonce      *big.Int         `asn1:"optional"`
	TSA        asn1.RawValue    `asn1:"optional,tag:0"`
	Extensions []pkix.Extension `asn1:"optional,tag:1"`
}

type imprint struct {
	Algorithm pkix.AlgorithmIdentifier
	Sum       []byte
}

type accuracy struct {
	Seconds int64 `asn1:"optional"`
	Millis  int64 `asn1:"optional,tag:0"`
	Micros  int64 `asn1:"optional,tag:1"`
}

func (a accuracy) duration() time.Duration {
	return time.Duration(a.Seconds)*time.Second + time.Duration(a.Millis)*time.Millisecond + time.Duration(a.Micros)*time.Microsecond
}

func parseInfo(b []byte) (i info, err error) {
	if err := unmarshal(b, &i, ""); err != nil {
		return i, damaged("its content is not a TSTInfo: %w", err)
	}
	const day = 24 * 60 * 60
	a := i.Accuracy
	switch {
	case i.Version != 1:
		return i, damaged("the version of the TSTInfo is %d, not 1", i.Version)
	case a.Seconds < 0 || a.Seconds > day || a.Millis < 0 || a.Millis > 999 || a.Micros < 0 || a.Micros > 999:
		return i, damaged("it does not say how accurate it is: %d s, %d ms, %d µs", a.Seconds, a.Millis, a.Micros)
	}
	for _, e := range i.Extensions {
		if e.Critical {
			return i, damaged("it has the critical extension %s, which nobody here knows", e.Id)
		}
	}
	return i, nil
}

func damaged(format string, args ...any) error { return fault.New(fault.Damaged, format, args...) }
