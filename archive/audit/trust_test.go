package audit_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/ledger/stamp"
	"packseal.example/archive/ledger/stamp/stamptest"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness/witnesstest"
	"packseal.example/internal/evidence"
)

// TestTokens: true tokens, and what an authority must not issue. One of a bundle's
// checkpoints has the token that is tried, beside the good ones.
func TestTokens(t *testing.T) {
	t.Parallel()
	good := stamptest.New(t, "tsa")
	l := audittest.New(t)
	l.Authority = func(_ string, at time.Time, checkpoint []byte) []byte { return good.Stamp(t, checkpoint, at) }
	l.Run(audittest.Moment(1, 0, 0), audittest.Moment(6, 0, 0))
	f, o := l.Bundle(audittest.March(1, 4)), options(l)
	o.Stamps = func(token, checkpoint []byte) (time.Time, error) {
		t, err := stamp.Verify(token, checkpoint, good.Pool)
		return t.Time, err
	}
	usage := func(critical bool, value []byte) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: critical, Value: value}}
		}
	}
	codeSigning := append(bytes.Clone(stamptest.TimeStamping[:11]), 3)
	for name, c := range map[string]struct {
		cert  func(*x509.Certificate)
		forge func(*stamptest.Parts)
		by    *stamptest.Authority
		words string
	}{
		"good":                {},
		"expired since":       {cert: func(c *x509.Certificate) { c.NotAfter = audittest.Moment(2, 0, 0) }},
		"expired before":      {cert: func(c *x509.Certificate) { c.NotAfter = audittest.Moment(1, 0, 0) }, words: "token"},
		"foreign authority":   {by: stamptest.New(t, "tsa"), words: "token"},
		"without certificate": {forge: func(p *stamptest.Parts) { p.Certificates = nil }, words: "token"},
		"for code signing":    {cert: usage(true, codeSigning), words: "token"},
		"usage not critical":  {cert: usage(false, stamptest.TimeStamping), words: "token"},
	} {
		t.Run(name, func(t *testing.T) {
			by := c.by
			if by == nil {
				by = good
			}
			signer := by.Self
			if c.cert != nil {
				signer = by.Issue(t, "tsa", c.cert)
			}
			defer func() { by.Forge = nil }()
			by.Forge = func(p *stamptest.Parts) {
				p.Signers, p.Certificates, p.Bind = []stamptest.Signer{signer}, [][]byte{signer.Cert.Raw}, []stamptest.Attribute{stamptest.BindV2(signer.Cert.Raw)}
				if c.forge != nil {
					c.forge(p)
				}
			}
			bad := l.Checkpoints[4]
			changed := audittest.Files{audit.TokenName(4, "second"): by.Stamp(t, bad.Raw, bad.Tokens["tsa"])}
			for name, raw := range f {
				if name != audit.StatementName {
					changed[name] = raw
				}
			}
			changed[audit.StatementName] = []byte(`{"schema":"packseal.statement/v1","from":"2026-03-01T00:00:00Z","until":"2026-03-04T00:00:00Z","zone":"UTC"}`)
			if r := audited(t, changed, o); words(r.Findings) != c.words {
				t.Errorf("%q, want %q: %+v", words(r.Findings), c.words, r.Findings)
			}
		})
	}
}

// TestKeyChange: a ledger whose key was exchanged is verified with the key before,
// and with the next one; with a third one nothing is.
func TestKeyChange(t *testing.T) {
	t.Parallel()
	l := audittest.New(t)
	next, nextKey := audittest.NewKey(t, audittest.Origin, 2)
	_, third := audittest.NewKey(t, audittest.Origin, 3)
	first := l.Signers[0]
	l.Each = func(l *audittest.Ledger, now time.Time) {
		switch {
		case now.Equal(audittest.Moment(3, 0, 0)):
			l.Record(evidence.NextKey{Key: nextKey, OverlapUntil: audittest.Moment(5, 0, 0), Since: now, Tool: audittest.Tool})
		case now.Equal(audittest.Moment(3, 1, 0)):
			l.Signers = []note.Signer{first, next}
		case now.Equal(audittest.Moment(5, 0, 0)):
			l.Signers = []note.Signer{next}
		}
	}
	l.Run(audittest.Moment(1, 0, 0), audittest.Moment(9, 0, 0))
	for _, c := range []struct {
		period audit.Period
		keys   []string
		words  string
	}{
		{audittest.March(1, 7), []string{l.Key}, ""},
		{audittest.March(1, 7), []string{nextKey}, ""},
		{audittest.March(1, 7), []string{l.Key, nextKey}, ""},
		{audittest.March(6, 7), []string{nextKey}, ""},
		{audittest.March(6, 7), []string{l.Key}, "unsigned"},
		{audittest.March(1, 7), []string{third}, "unsigned"},
	} {
		o := options(l)
		o.Keys = c.keys
		if r := audited(t, l.Bundle(c.period), o); words(r.Findings) != c.words || (c.words == "") != (r.Statement != nil) {
			t.Errorf("from %s with %d keys: %q, want %q", c.period.From, len(c.keys), words(r.Findings), c.words)
		}
	}
}

// TestKeyRetired: once the next key has signed alone, the key before signs no more: a thief
// of it appends nothing.
func TestKeyRetired(t *testing.T) {
	t.Parallel()
	l := audittest.New(t)
	next, nextKey := audittest.NewKey(t, audittest.Origin, 2)
	first := l.Signers[0]
	l.Each = func(l *audittest.Ledger, now time.Time) {
		switch {
		case now.Equal(audittest.Moment(2, 0, 0)):
			l.Record(evidence.NextKey{Key: nextKey, OverlapUntil: audittest.Moment(4, 0, 0), Since: now, Tool: audittest.Tool})
		case now.Equal(audittest.Moment(3, 0, 0)):
			l.Signers = []note.Signer{first, next}
		case now.Equal(audittest.Moment(3, 6, 0)): // a replica that has the key before only
			l.Signers = []note.Signer{first}
		case now.Equal(audittest.Moment(4, 0, 0)):
			l.Signers = []note.Signer{next}
		case now.Equal(audittest.Moment(6, 0, 0)):
			l.Signers = []note.Signer{first}
		}
	}
	l.Run(audittest.Moment(1, 0, 0), audittest.Moment(9, 0, 0))
	for until, want := range map[int]string{4: "", 8: "unsigned"} {
		for _, keys := range [][]string{{l.Key}, {l.Key, nextKey}, {nextKey, l.Key}} {
			o := options(l)
			o.Keys = keys
			if got := words(audited(t, l.Bundle(audittest.March(1, until)), o).Findings); got != want {
				t.Errorf("until %d with %d keys: %q, want %q", until, len(keys), got, want)
			}
		}
	}
}

// TestWitness: a witness that is named must have cosigned, and truly.
func TestWitness(t *testing.T) {
	t.Parallel()
	l := audittest.New(t)
	l.Run(audittest.Moment(1, 0, 0), audittest.Moment(6, 0, 0))
	w, other := witnesstest.New(t, "witness.example/w"), witnesstest.New(t, "witness.example/w")
	cosig := audit.CosignaturesName(5)
	text := l.Checkpoints[5].Head.Text()
	at := audittest.Moment(2, 0, 0)
	for name, c := range map[string]struct{ lines, words string }{
		"cosigned":           {w.Cosign(text, at), ""},
		"beside another":     {other.Cosign(text, at) + w.Cosign(text, at), ""},
		"by another":         {other.Cosign(text, at), "unwitnessed"},
		"of another":         {w.Cosign(l.Checkpoints[6].Head.Text(), at), "unwitnessed"},
		"no line":            {"nonsense\n", "unwitnessed"},
		"without an end":     {strings.TrimSuffix(w.Cosign(text, at), "\n"), "unreadable unwitnessed"},
		"nothing, not there": {"", "unwitnessed"},
	} {
		f, o := l.Bundle(audittest.March(1, 4)), options(l)
		o.Witnesses = []string{w.Key}
		if c.lines != "" {
			f[cosig] = []byte(c.lines)
		}
		r := audited(t, f, o)
		if words(r.Findings) != c.words {
			t.Errorf("%s: %q, want %q", name, words(r.Findings), c.words)
		}
		if got := r.Statement.Witnesses; (c.words == "") != (len(got) == 1) {
			t.Errorf("%s: the witnesses are %q", name, got)
		}
	}
}

// TestParts: a plan in parts, and a policy.
func TestParts(t *testing.T) {
	t.Parallel()
	l := audittest.New(t)
	l.Packs = nil
	for i := range 260 { // two parts
		l.Packs = append(l.Packs, audittest.Planned(fmt.Sprintf("cp-%03d", i), "0 2 1 * *"))
	}
	l.Packs = append(l.Packs, audittest.Planned("cp-a", "0 2 * * *"), audittest.Planned("cp-z", "0 2 * * *"))
	l.Each = func(l *audittest.Ledger, now time.Time) {
		if now.Equal(audittest.Moment(3, 0, 0)) {
			l.Record(evidence.Policy{Keep: "1d", Since: now, Tool: audittest.Tool})
		}
		if now.Equal(audittest.Moment(8, 0, 0)) {
			s := evidence.Slot{Source: "prod", Pack: "cp-z", Due: audittest.Moment(6, 2, 0)}
			m, report := audittest.Manifest(s, s.Due.Add(5*time.Minute))
			l.Log(tree.PrunedKey(m.ReportKey()), report)
			delete(l.Reports, m.ReportKey())
		}
	}
	l.Run(audittest.Moment(2, 0, 0), audittest.Moment(12, 0, 0))
	f := l.Bundle(audittest.March(6, 10))
	r := audited(t, f, options(l))
	if len(r.Findings) > 0 || r.Statement.Counts.Expected != 8 || r.Statement.Counts.Pruned != 1 {
		t.Errorf("%+v of %+v", r.Findings, r.Statement.Counts)
	}
}
