package stamp_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/ledger/stamp"
	"packseal.example/archive/ledger/stamp/stamptest"
	"packseal.example/internal/fault"
)

var (
	checkpoint = []byte("example.com/packseal/test\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/packseal/test AAAA\n")
	at         = time.Date(2026, 3, 31, 18, 0, 5, 0, time.UTC)
)

func TestVerify(t *testing.T) {
	t.Parallel()
	tsa := stamptest.New(t, "tsa.example")
	got, err := stamp.Verify(tsa.Stamp(t, checkpoint, at), checkpoint, tsa.Pool)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Time.Equal(at) || got.Accuracy != time.Second || got.Authority != "CN=tsa.example" || !got.Expires.Equal(tsa.Self.Cert.NotAfter) || got.Policy != "1.2.3.4.1" || got.Serial.Sign() <= 0 {
		t.Errorf("the token says %+v", got)
	}
}

// TestOpenSSLAgrees: openssl takes what the authority of the tests issues, so that a
// forgery of it differs from a true time-stamp by what was forged alone.
func TestOpenSSLAgrees(t *testing.T) {
	t.Parallel()
	stamptest.Need(t)
	tsa := stamptest.New(t, "tsa.example")
	tsa.Forge = func(p *stamptest.Parts) {
		p.Bind = []stamptest.Attribute{stamptest.BindV1(tsa.Self.Cert.Raw), stamptest.BindV2(tsa.Self.Cert.Raw)}
	}
	dir := t.TempDir()
	for name, b := range map[string][]byte{"checkpoint": checkpoint, "x.tsr": tsa.Stamp(t, checkpoint, at), "root.pem": tsa.Root} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify := exec.CommandContext(t.Context(), "openssl", "ts", "-verify", "-data", "checkpoint", "-in", "x.tsr", "-CAfile", "root.pem")
	verify.Dir = dir
	if out, err := verify.CombinedOutput(); err != nil || !strings.Contains(string(out), "Verification: OK") {
		t.Errorf("openssl says %s, %v", out, err)
	}
}

// TestOpenSSLReply: what `openssl ts -reply` issues, with the older attribute that is
// its default and with the newer one.
func TestOpenSSLReply(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"sha1", "sha256", "sha512"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			tsa := stamptest.NewOpenSSL(t, alg)
			q := stamp.NewQuery(checkpoint)
			raw, err := q.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			resp := tsa.Reply(t, raw)
			got, err := q.Verify(resp, tsa.Pool)
			if err != nil {
				t.Fatal(err)
			}
			if d := time.Since(got.Time); d < -time.Minute || d > time.Minute || !strings.Contains(got.Authority, "CN=tsa") {
				t.Errorf("the token says %+v", got)
			}
			if _, err := stamp.NewQuery(checkpoint).Verify(resp, tsa.Pool); fault.Of(err) != fault.Damaged {
				t.Errorf("another query's answer: %v", err)
			}
			if _, err := stamp.Verify(resp, checkpoint[1:], tsa.Pool); fault.Of(err) != fault.Damaged {
				t.Errorf("other bytes: %v", err)
			}
		})
	}
}

// TestAttacks: each forgery is refused, by what it is.
func TestAttacks(t *testing.T) {
	t.Parallel()
	ext := func(critical bool, value []byte) pkix.Extension {
		return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: critical, Value: value}
	}
	codeSigning := slices.Concat(stamptest.TimeStamping[:11], []byte{3})
	both := slices.Concat([]byte{0x30, 0x14}, stamptest.TimeStamping[2:], codeSigning[2:])
	usage := func(e ...pkix.Extension) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtraExtensions = e }
	}
	tests := []struct {
		name  string
		cert  func(*x509.Certificate) // of the signer; nil = as it should be
		forge func(*stamptest.Parts)
		want  string
	}{
		{"usage for something else", usage(ext(true, codeSigning)), nil, "not for time-stamping alone"},
		{"usage not critical", usage(ext(false, stamptest.TimeStamping)), nil, "critical extension"},
		{"usage not alone", usage(ext(true, both)), nil, "not for time-stamping alone"},
		{"no usage", usage(), nil, "not for time-stamping alone"},
		{"key not for signatures", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }, nil, "not for signatures"},
		{"expired before", func(c *x509.Certificate) { c.NotAfter = at.Add(-time.Second) }, nil, "expired"},
		{"not valid yet", func(c *x509.Certificate) { c.NotBefore = at.Add(time.Second) }, nil, "not yet valid"},
		{"without certificate", nil, func(p *stamptest.Parts) { p.Certificates = nil }, "is not in it"},
		{"two signers", nil, func(p *stamptest.Parts) { p.Signers = append(p.Signers, p.Signers[0]) }, "2 signers"},
		{"no signer", nil, func(p *stamptest.Parts) { p.Signers = nil }, "0 signers"},
		{"content is data", nil, func(p *stamptest.Parts) { p.ContentType = stamptest.Data }, "not a TSTInfo"},
		{"signed as data", nil, func(p *stamptest.Parts) { p.SignedType = stamptest.Data }, "not said to be a TSTInfo"},
		{"other content than was signed", nil, func(p *stamptest.Parts) { p.Digest = make([]byte, 32) }, "not what was signed"},
		{"broken signature", nil, func(p *stamptest.Parts) { p.Break = func(s []byte) { s[len(s)-1] ^= 1 } }, "its signature"},
		{"certificate not named", nil, func(p *stamptest.Parts) { p.Bind = nil }, "does not name its certificate"},
		{"names another, older form", nil, func(p *stamptest.Parts) { p.Bind = []stamptest.Attribute{stamptest.BindV1([]byte("x"))} }, "names another"},
		{"names another, newer form", nil, func(p *stamptest.Parts) { p.Bind = []stamptest.Attribute{stamptest.BindV2([]byte("x"))} }, "names another"},
		{"names it and another", nil, func(p *stamptest.Parts) {
			p.Bind = append(p.Bind, stamptest.BindV1([]byte("x")))
		}, "names another"},
		{"names it twice", nil, func(p *stamptest.Parts) { p.Bind = append(p.Bind, p.Bind...) }, "more than one value"},
		{"signed over SHA-1", nil, func(p *stamptest.Parts) { p.Hash = crypto.SHA1 }, "hash 1.3.14.3.2.26"},
		{"imprint by SHA-1", nil, func(p *stamptest.Parts) { p.Info.Imprint.Algorithm.Algorithm = stamptest.SHA1 }, "not a SHA-256"},
		{"imprint of other bytes", nil, func(p *stamptest.Parts) { p.Info.Imprint.Sum[0] ^= 1 }, "of other bytes"},
		{"version", nil, func(p *stamptest.Parts) { p.Info.Version = 2 }, "not 1"},
		{"accuracy of a year", nil, func(p *stamptest.Parts) { p.Info.Accuracy.Seconds = 365 * 86400 }, "how accurate"},
		{"critical extension", nil, func(p *stamptest.Parts) {
			p.Info.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}, "critical extension 1.2.3"},
		{"rejected", nil, func(p *stamptest.Parts) { p.Status = 2 }, "refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tsa := stamptest.New(t, "tsa.example")
			tsa.Forge = tt.forge
			if tt.cert != nil {
				tsa.Self = tsa.Issue(t, "tsa.example", tt.cert)
			}
			_, err := stamp.Verify(tsa.Stamp(t, checkpoint, at), checkpoint, tsa.Pool)
			if err == nil || !strings.Contains(err.Error(), tt.want) || fault.Of(err) != fault.Damaged && tt.name != "rejected" {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
		})
	}
}

// TestForeign: an authority that nobody named, and one that is named by the same name.
func TestForeign(t *testing.T) {
	t.Parallel()
	ours, other := stamptest.New(t, "tsa.example"), stamptest.New(t, "tsa.example")
	_, err := stamp.Verify(other.Stamp(t, checkpoint, at), checkpoint, ours.Pool)
	if !errors.Is(err, stamp.ErrUntrusted) || fault.Of(err) != fault.Damaged {
		t.Errorf("the error is %v", err)
	}
	other.Forge = func(p *stamptest.Parts) { p.Certificates = append(p.Certificates, ours.Self.Cert.Raw) }
	if _, err := stamp.Verify(other.Stamp(t, checkpoint, at), checkpoint, ours.Pool); !errors.Is(err, stamp.ErrUntrusted) {
		t.Errorf("with a true certificate beside its own: %v", err)
	}
	other.Forge = func(p *stamptest.Parts) { // its key, and the true certificate
		p.Signers[0].Cert, p.Certificates, p.Bind = ours.Self.Cert, [][]byte{ours.Self.Cert.Raw}, []stamptest.Attribute{stamptest.BindV2(ours.Self.Cert.Raw)}
	}
	if _, err := stamp.Verify(other.Stamp(t, checkpoint, at), checkpoint, ours.Pool); err == nil || errors.Is(err, stamp.ErrUntrusted) {
		t.Errorf("with the true certificate for its own: %v", err)
	}
}

// TestExpiredSince: what was stamped while the authority's certificate was valid stays so.
func TestExpiredSince(t *testing.T) {
	t.Parallel()
	tsa := stamptest.New(t, "tsa.example")
	past := time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
	tsa.Self = tsa.Issue(t, "tsa.example", func(c *x509.Certificate) { c.NotAfter = past.Add(time.Hour) })
	got, err := stamp.Verify(tsa.Stamp(t, checkpoint, past), checkpoint, tsa.Pool)
	if err != nil || !got.Expires.Equal(past.Add(time.Hour)) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestShapes(t *testing.T) {
	t.Parallel()
	tsa := stamptest.New(t, "tsa.example")
	whole := tsa.Stamp(t, checkpoint, at)
	for name, b := range map[string][]byte{
		"empty":         nil,
		"cut":           whole[:len(whole)-1],
		"bytes after":   append(slices.Clone(whole), 0),
		"a page":        []byte("<html>Too many requests</html>"),
		"token alone":   whole[9:],
		"too large":     append(slices.Clone(whole), make([]byte, stamp.MaxSize)...),
		"indefinite":    append(slices.Concat([]byte{0x30, 0x80}, whole[4:]), 0, 0),
		"granted alone": {0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00},
	} {
		if _, err := stamp.Verify(b, checkpoint, tsa.Pool); fault.Of(err) != fault.Damaged {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range whole { // no bit of what is signed, nor of the signature, can change
		b := slices.Clone(whole)
		b[i] ^= 0x20
		if got, err := stamp.Verify(b, checkpoint, tsa.Pool); err == nil && !got.Time.Equal(at) {
			t.Errorf("with byte %d altered it is a time-stamp of %s", i, got.Time)
		}
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	q, again := stamp.NewQuery(checkpoint), stamp.NewQuery(checkpoint)
	b, err := q.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(checkpoint)
	if !bytes.Contains(b, sum[:]) || !bytes.HasSuffix(b, []byte{0x01, 0x01, 0xff}) {
		t.Errorf("the query is %x", b)
	}
	if other, _ := again.Bytes(); bytes.Equal(b, other) {
		t.Error("two queries have one nonce")
	}
	tsa := stamptest.New(t, "tsa.example")
	if _, err := q.Verify(tsa.Stamp(t, checkpoint, at), tsa.Pool); fault.Of(err) != fault.Damaged || !strings.Contains(err.Error(), "nonce") {
		t.Errorf("an answer without nonce: %v", err)
	}
	tsa.Forge = func(p *stamptest.Parts) { p.Info.Nonce = big.NewInt(1) }
	if _, err := q.Verify(tsa.Stamp(t, checkpoint, at), tsa.Pool); fault.Of(err) != fault.Damaged || !strings.Contains(err.Error(), "nonce") {
		t.Errorf("an answer with another nonce: %v", err)
	}
}

// FuzzVerify: whatever a stranger sends, it is refused as damaged or not granted.
func FuzzVerify(f *testing.F) {
	tsa := stamptest.New(f, "tsa.example")
	f.Add(tsa.Stamp(f, checkpoint, at))
	f.Add([]byte{0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02})
	f.Fuzz(func(t *testing.T, b []byte) {
		switch _, err := stamp.Verify(b, checkpoint, tsa.Pool); fault.Of(err) {
		case "", fault.Damaged, fault.Request, fault.Unavailable:
		default:
			t.Errorf("%v", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	tsa := stamptest.New(b, "tsa.example")
	resp := tsa.Stamp(b, checkpoint, at)
	for b.Loop() {
		if _, err := stamp.Verify(resp, checkpoint, tsa.Pool); err != nil {
			b.Fatal(err)
		}
	}
}
