package clients

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger/witness/cosignature"
	"packseal.example/archive/ledger/witness/witnesstest"
)

// TestCosignature: what torchwood's witnesses sign counts here, and what the witness of
// the tests signs is what torchwood's signer says.
func TestCosignature(t *testing.T) {
	t.Parallel()
	const text = "example.com/packseal/test\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := torchwood.NewCosignatureSigner("witness.example/w1", private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := note.Sign(&note.Note{Text: text}, theirs)
	if err != nil {
		t.Fatal(err)
	}
	line, err := cosignature.Parse(string(raw[len(text)+1:]))
	if err != nil {
		t.Fatal(err)
	}
	key, err := cosignature.NewVerifier(theirs.Verifier().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := line.Verify(text, key); err != nil || time.Since(line.Time).Abs() > time.Minute {
		t.Errorf("signed %s: %v", line.Time, err)
	}
	ours := witnesstest.New(t, "witness.example/w2")
	if key, err = cosignature.NewVerifier(ours.Key); err != nil {
		t.Fatal(err)
	}
	signed, err := note.Open(append(raw, ours.Cosign(text, time.Unix(1679315147, 0))...), note.VerifierList(key, theirs.Verifier()))
	if err != nil || len(signed.Sigs) != 2 {
		t.Fatalf("%+v, %v", signed, err)
	}
	if at, err := torchwood.CosignatureTimestamp(signed.Sigs[1]); err != nil || at != 1679315147 {
		t.Errorf("signed at %d, %v", at, err)
	}
}
