package tree_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger/tree"
)

const origin = "example.com/packseal/test"

// key returns a key that follows from the seed alone.
func key(t testing.TB, name string, seed byte) (note.Signer, note.Verifier) {
	t.Helper()
	private := ed25519.NewKeyFromSeed(append(make([]byte, 31), seed))
	public := append([]byte{1}, private.Public().(ed25519.PublicKey)...)
	id := sha256.Sum256(append([]byte(name+"\n"), public...))
	encode := base64.StdEncoding.EncodeToString
	s, err := note.NewSigner("PRIVATE+KEY+" + name + "+" + hex.EncodeToString(id[:4]) + "+" + encode(append([]byte{1}, private.Seed()...)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(name + "+" + hex.EncodeToString(id[:4]) + "+" + encode(public))
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

// entry returns the i-th entry of the tests.
func entry(i int) tree.Entry {
	return tree.Of(fmt.Sprintf("prod/cp-%d/2026/03/20260331T180000Z/manifest.json", i), fmt.Append(nil, i))
}

func entries(from, to int) (es []tree.Entry) {
	for i := from; i < to; i++ {
		es = append(es, entry(i))
	}
	return es
}
