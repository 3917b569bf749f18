// Package witnesstest is a witness (c2sp.org/tlog-witness) for tests, held to the
// specification's answers. It shares no code with the client but the hashing of trees.
package witnesstest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Witness keeps the latest checkpoint of each log in memory. It is an http.Handler, at
// any submission prefix.
type Witness struct {
	Key  string           // what it publishes: its verifier key
	Name string           // in it
	Now  func() time.Time // default time.Now
	More string           // further lines of its answers, each with its LF

	private ed25519.PrivateKey
	id      [4]byte
	logs    note.Verifiers
	origins map[string]bool

	mu   sync.Mutex
	seen map[string]tlog.Tree // by origin
}

// New makes a witness of the logs with these keys. A name is that of its log.
func New(t testing.TB, name string, logs ...note.Verifier) *Witness {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := append([]byte{4}, public...)
	sum := sha256.Sum256(append([]byte(name+"\n"), key...))
	w := &Witness{
		Key:  name + "+" + hex.EncodeToString(sum[:4]) + "+" + base64.StdEncoding.EncodeToString(key),
		Name: name, Now: time.Now, private: private, id: [4]byte(sum[:4]),
		logs: note.VerifierList(logs...), origins: make(map[string]bool), seen: make(map[string]tlog.Tree),
	}
	for _, l := range logs {
		w.origins[l.Name()] = true
	}
	return w
}

// Cosign returns the line of a checkpoint's text at a time.
func (w *Witness) Cosign(text string, at time.Time) string {
	stamped := binary.BigEndian.AppendUint64(w.id[:4:4], uint64(at.Unix()))
	signed := ed25519.Sign(w.private, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at.Unix(), text))
	return "— " + w.Name + " " + base64.StdEncoding.EncodeToString(append(stamped, signed...)) + "\n"
}

// Set makes a tree what the witness saw last.
func (w *Witness) Set(origin string, tree tlog.Tree) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[origin] = tree
}

// Seen returns the tree that the witness saw last.
func (w *Witness) Seen(origin string) tlog.Tree {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[origin]
}

// ServeHTTP answers add-checkpoint.
func (w *Witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/add-checkpoint") {
		http.Error(rw, "not add-checkpoint", http.StatusNotFound)
		return
	}
	head, checkpoint, ok := strings.Cut(string(body), "\n\n")
	lines := strings.Split(head, "\n")
	old, isOld := strings.CutPrefix(lines[0], "old ")
	size, err := strconv.ParseInt(old, 10, 64)
	if !ok || !isOld || err != nil || strconv.FormatInt(size, 10) != old || size < 0 || len(lines) > 64 {
		http.Error(rw, "malformed", http.StatusBadRequest)
		return
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			http.Error(rw, "malformed proof", http.StatusBadRequest)
			return
		}
		proof = append(proof, h)
	}
	w.add(rw, size, proof, checkpoint)
}

// add answers a request of the right form, in the order that the specification has.
func (w *Witness) add(rw http.ResponseWriter, old int64, proof tlog.TreeProof, checkpoint string) {
	origin, _, _ := strings.Cut(checkpoint, "\n")
	if !w.origins[origin] {
		http.Error(rw, "unknown origin", http.StatusNotFound)
		return
	}
	n, err := note.Open([]byte(checkpoint), w.logs)
	if err != nil {
		http.Error(rw, "no signature of a known key", http.StatusForbidden)
		return
	}
	tree, err := parse(n.Text)
	if err != nil || old > tree.N {
		http.Error(rw, "malformed checkpoint, or old size above its", http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen[origin]
	switch {
	case seen.N != old, seen.N == tree.N && seen.N > 0 && seen.Hash != tree.Hash:
		rw.Header().Set("Content-Type", "text/x.tlog.size")
		rw.WriteHeader(http.StatusConflict)
		fmt.Fprintln(rw, seen.N) //nolint:errcheck // the client has gone
		return
	case old == 0 && len(proof) > 0,
		old > 0 && tlog.CheckTree(proof, tree.N, tree.Hash, old, seen.Hash) != nil:
		http.Error(rw, "the proof does not verify", http.StatusUnprocessableEntity)
		return
	}
	w.seen[origin] = tree
	io.WriteString(rw, w.Cosign(n.Text, w.Now())+w.More) //nolint:errcheck // the client has gone
}

// parse reads the text of a checkpoint.
func parse(text string) (tree tlog.Tree, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 {
		return tree, fmt.Errorf("%d lines", len(lines))
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil || tree.N < 0 {
		return tree, fmt.Errorf("size %q", lines[1])
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}
