package cosignature_test

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger/witness/cosignature"
	"packseal.example/archive/ledger/witness/witnesstest"
	"packseal.example/internal/fault"
)

const text = "example.com/packseal/test\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

var at = time.Date(2026, 3, 31, 18, 0, 5, 0, time.UTC)

func verifier(t testing.TB, w *witnesstest.Witness) *cosignature.Verifier {
	t.Helper()
	v, err := cosignature.NewVerifier(w.Key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerify(t *testing.T) {
	t.Parallel()
	w := witnesstest.New(t, "witness.example/w1")
	l, err := cosignature.Parse(w.Cosign(text, at))
	if err != nil {
		t.Fatal(err)
	}
	v := verifier(t, w)
	if err := l.Verify(text, v); err != nil || !l.Time.Equal(at) || l.Name != w.Name || l.ID != v.KeyHash() || l.Unverifiable() {
		t.Errorf("%+v: %v", l, err)
	}
	later := strings.Replace(text, "\n3\n", "\n4\n", 1)
	if err := l.Verify(later, v); fault.Of(err) != fault.Damaged {
		t.Errorf("of another checkpoint: %v", err)
	}
	other := witnesstest.New(t, w.Name)
	if err := l.Verify(text, verifier(t, other)); fault.Of(err) != fault.Damaged {
		t.Errorf("of another key of that name: %v", err)
	}
	raw, _ := base64.StdEncoding.DecodeString(strings.Fields(l.String())[2])
	for i := range raw { // no byte can change, the time's included
		b := slices.Clone(raw)
		b[i] ^= 1
		l, err := cosignature.Parse("— " + w.Name + " " + base64.StdEncoding.EncodeToString(b) + "\n")
		if err == nil {
			err = l.Verify(text, v)
		}
		if err == nil {
			t.Errorf("with byte %d altered it is valid", i)
		}
	}
}

// TestNote: the Go team's reader of signed notes takes a checkpoint with both lines.
func TestNote(t *testing.T) {
	t.Parallel()
	private, public, err := note.GenerateKey(rand.Reader, "example.com/packseal/test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	log, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		t.Fatal(err)
	}
	w := witnesstest.New(t, "witness.example/w1")
	n, err := note.Open(append(raw, w.Cosign(text, at)...), note.VerifierList(log, verifier(t, w)))
	if err != nil || len(n.Sigs) != 2 {
		t.Errorf("%+v: %v", n, err)
	}
}

// TestForeign: a verifier key and a cosignature that are not of this code, from the
// example in the specification: it is of a key that is not published, so all but its
// signature can be read.
func TestForeign(t *testing.T) {
	t.Parallel()
	const line = "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
	l, err := cosignature.Parse(line)
	if err != nil || l.Name != "witness.example.com/w1" || l.ID != 0x8d66cf3f || !l.Time.Equal(time.Unix(1679315147, 0)) {
		t.Errorf("%+v: %v", l, err)
	}
}

func TestNewVerifier(t *testing.T) {
	t.Parallel()
	w := witnesstest.New(t, "witness.example/w1")
	key := func(b ...byte) string { return "w+00000000+" + base64.StdEncoding.EncodeToString(b) }
	for text, want := range map[string]string{
		"PRIVATE+KEY+w+00000000+secret":     "it is a private key",
		"":                                  "not a verifier key",
		"w":                                 "not a verifier key",
		strings.Replace(w.Key, "+", " ", 1): "not a verifier key",
		"+" + w.Key[strings.Index(w.Key, "+")+1:]:        "not a verifier key",
		strings.Replace(w.Key, "example", "exampl", 1):   "has the ID",
		key(append([]byte{1}, make([]byte, 32)...)...):   "not one of a witness",
		key(append([]byte{4}, make([]byte, 31)...)...):   "not one of a witness",
		key(append([]byte{6}, make([]byte, 1312)...)...): "ML-DSA-44",
	} {
		if _, err := cosignature.NewVerifier(text); fault.Of(err) != fault.Request || fault.Hint(err) == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	encode := base64.StdEncoding.EncodeToString
	large, err := cosignature.Parse("— w " + encode(make([]byte, 4+8+2420)) + "\n")
	if err != nil || !large.Unverifiable() {
		t.Errorf("one with ML-DSA-44: %v", err)
	}
	for _, s := range []string{
		"", "\n", "— w", "- w " + encode(make([]byte, 76)) + "\n", "— w " + encode(make([]byte, 11)) + "\n", "— w " + encode(make([]byte, 76)),
		"— w " + encode(make([]byte, 76)) + "\r\n", "—  " + encode(make([]byte, 76)) + "\n", "— w+ " + encode(make([]byte, 76)) + "\n",
		"— w " + encode(append([]byte{0, 0, 0, 0, 0x80}, make([]byte, 71)...)) + "\n", "— w " + encode(make([]byte, 76)) + "\n\n",
	} {
		if _, err := cosignature.Parse(s); fault.Of(err) != fault.Damaged {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// FuzzParse: what is read as a line is written again as the same bytes.
func FuzzParse(f *testing.F) {
	w := witnesstest.New(f, "witness.example/w1")
	f.Add(w.Cosign(text, at))
	v := verifier(f, w)
	f.Fuzz(func(t *testing.T, s string) {
		l, err := cosignature.Parse(s)
		if err == nil && l.String() != s {
			t.Errorf("%q is written again as %q", s, l)
		}
		if err == nil && s != w.Cosign(text, at) && l.Verify(text, v) == nil && l.Time.Equal(at) {
			t.Errorf("%q verifies", s)
		}
	})
}
