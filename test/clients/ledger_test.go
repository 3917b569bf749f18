package clients

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness/cosignature"
	"packseal.example/archive/ledger/witness/witnesstest"
	"packseal.example/internal/secret"
	"packseal.example/sink"
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

// TestTlogClient: torchwood's client reads an export over HTTP: the signed checkpoint,
// every entry by the tiles, and the proof of each that it asks for.
func TestTlogClient(t *testing.T) {
	t.Parallel()
	const origin, entries = "example.com/packseal/test", 700
	key, verifier, err := ledger.GenerateKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key.Reveal()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := ledger.ReadKeys(secret.File(file), origin)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(ledger.Options{
		Origin: origin, Keys: keys, Sinks: []ledger.Target{{Name: "primary", Sink: sink.NewMemory()}},
		Dir: t.TempDir(), Tool: "packseal/test", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	missing := make(map[string]bool)
	for i := range entries {
		e := tree.Of(fmt.Sprintf("prod/cp-%d/2026/03/20260331T180000Z/gap.json", i), []byte("{}"))
		missing[e.String()] = true
		if err := l.Log(e, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := l.Export(t.Context(), func(path string, data []byte) error {
		path = filepath.Join(dir, path)
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600))
	}); err != nil {
		t.Fatal(err)
	}

	web := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer web.Close()
	tiles, err := torchwood.NewTileFetcher(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tiles.ReadEndpoint(t.Context(), "checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewVerifier(verifier)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Open(raw, note.VerifierList(signer))
	if err != nil {
		t.Fatal(err)
	}
	head, err := torchwood.ParseCheckpoint(signed.Text)
	if err != nil || head.Origin != origin || head.N != entries {
		t.Fatalf("the checkpoint is %+v, %v", head, err)
	}
	client, err := torchwood.NewClient(tiles)
	if err != nil {
		t.Fatal(err)
	}
	next := int64(0)
	for range 2 { // the tile that is not full comes with the second
		for i, e := range client.Entries(t.Context(), head.Tree, next) {
			if i != next || !missing[string(e)] {
				t.Fatalf("entry %d is %q, which was not logged, or was seen before", i, e)
			}
			delete(missing, string(e))
			next++
		}
		if err := client.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if len(missing) > 0 {
		t.Errorf("%d entries were not read", len(missing))
	}
	for _, i := range []int64{0, 255, 256, 699} {
		if _, _, err := client.Entry(t.Context(), head.Tree, i); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
	}
}
