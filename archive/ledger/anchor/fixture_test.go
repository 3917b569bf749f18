package anchor_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/anchor"
	"packseal.example/archive/ledger/stamp/stamptest"
	"packseal.example/archive/ledger/stamp/tsa"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness"
	"packseal.example/archive/ledger/witness/witnesstest"
	"packseal.example/internal/secret"
	"packseal.example/sink"
	"packseal.example/sink/local"
)

const origin = "example.com/packseal/test"

// service is a server without a network, which counts what it is asked.
type service struct {
	http.Handler
	asked atomic.Int64
	down  atomic.Bool
}

// RoundTrip implements [http.RoundTripper].
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	w := httptest.NewRecorder()
	if s.down.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
	} else {
		s.ServeHTTP(w, r)
	}
	return w.Result(), nil
}

// world is a ledger in two sinks, with two authorities and a witness.
type world struct {
	t        testing.TB
	key      secret.File
	verifier note.Verifier
	sinks    []ledger.Target
	entries  int

	authority *stamptest.Authority
	stamps    []*service
	stampers  []*tsa.Client
	witness   *witnesstest.Witness
	cosigner  *service
	witnesses []*witness.Client
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, key: secret.File(filepath.Join(t.TempDir(), "key"))}
	line, text, err := ledger.GenerateKey(origin)
	if err == nil {
		err = os.WriteFile(string(w.key), []byte(line.Reveal()+"\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if w.verifier, err = note.NewVerifier(text); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		s, err := (&local.Options{Dir: t.TempDir()}).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.sinks = append(w.sinks, ledger.Target{Name: fmt.Sprint("sink", i), Sink: s})
	}
	roots := filepath.Join(t.TempDir(), "roots.pem")
	w.authority = stamptest.New(t, "tsa.example")
	if err := os.WriteFile(roots, w.authority.Root, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tsa1", "tsa2"} {
		s := &service{Handler: w.authority}
		c, err := tsa.New(tsa.Options{Name: name, URL: "http://" + name + ".example/", CAFile: roots, Transport: s})
		if err != nil {
			t.Fatal(err)
		}
		w.stamps, w.stampers = append(w.stamps, s), append(w.stampers, c)
	}
	w.witness = witnesstest.New(t, "witness.example/w1", w.verifier)
	w.cosigner = &service{Handler: w.witness}
	w.witnesses = []*witness.Client{w.client()}
	return w
}

// client returns a client of the witness that knows nothing.
func (w *world) client() *witness.Client {
	w.t.Helper()
	c, err := witness.New(witness.Options{Name: "w1", URL: "https://witness.example", Key: w.witness.Key, Transport: w.cosigner})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// ledger opens a replica of the ledger, with a state folder of its own.
func (w *world) ledger() *ledger.Ledger {
	w.t.Helper()
	keys, err := ledger.ReadKeys(w.key, origin)
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := ledger.Open(ledger.Options{
		Origin: origin, Keys: keys, Sinks: w.sinks, Dir: w.t.TempDir(), Tool: "packseal/test", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// append commits n entries.
func (w *world) append(l *ledger.Ledger, n int) {
	w.t.Helper()
	var entries []tree.Entry
	for range n {
		w.entries++
		entries = append(entries, tree.Of(fmt.Sprintf("prod/cp-%d/2026/03/20260331T180000Z/manifest.json", w.entries), nil))
	}
	if err := l.Append(context.Background(), entries); err != nil {
		w.t.Fatal(err)
	}
}

// anchors returns the anchors of a replica.
func (w *world) anchors(l *ledger.Ledger, change func(*anchor.Options)) *anchor.Anchors {
	o := anchor.Options{Ledger: l, Stamps: w.stampers, Witnesses: w.witnesses, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	return anchor.New(o)
}

// get returns an object of a sink; nil if there is none.
func (w *world) get(i int, key string) []byte {
	raw, err := sink.ReadAll(context.Background(), w.sinks[i], key, 1<<20)
	if err != nil {
		return nil
	}
	return raw
}

func (w *world) put(key, text string) {
	w.t.Helper()
	if err := w.sinks[0].Put(context.Background(), key, sink.Bytes([]byte(text))); err != nil {
		w.t.Fatal(err)
	}
}

// status returns that of the one with a name.
func status(t testing.TB, a *anchor.Anchors, name string) anchor.Status {
	t.Helper()
	for _, s := range a.Status() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no %s", name)
	return anchor.Status{}
}

// problem returns the kind of problem of the one with a name; "" = it has none.
func problem(t testing.TB, a *anchor.Anchors, name string) ledger.Kind {
	t.Helper()
	if p := status(t, a, name).Problem; p != nil {
		return p.Kind
	}
	return ""
}

// y2026 waits, in a bubble, until the certificates are valid.
func y2026() { time.Sleep(time.Until(time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC))) }
