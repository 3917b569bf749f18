package bundle_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/bundle"
	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/stamp"
	"packseal.example/archive/ledger/stamp/stamptest"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/local"
)

// world is a ledger of the tests in a folder, with tokens of a real authority.
type world struct {
	*audittest.Ledger
	dir       string
	sink      ledger.Target
	authority *stamptest.Authority
}

// Entries and Latest are those of the ledger, as package ledger has them.
func (w *world) Entries(context.Context) iter.Seq2[tree.Entry, error] {
	return func(yield func(tree.Entry, error) bool) {
		for _, e := range w.Ledger.Entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (w *world) Latest(context.Context) (ledger.Latest, error) {
	c := w.Checkpoints[len(w.Checkpoints)-1]
	return ledger.Latest{N: c.N, Checkpoint: c.Head, Raw: c.Raw}, nil
}

// newWorld lives through some days of March 2026. At noon the plan is logged anew, and
// what falls due until the day after the next is said.
func newWorld(t testing.TB, change func(*audittest.Ledger)) *world {
	t.Helper()
	l, authority := audittest.New(t), stamptest.New(t, "tsa.example")
	l.Each = func(l *audittest.Ledger, now time.Time) {
		if now.Hour() == 12 {
			l.Plan(now.Add(time.Second), l.Packs...)
			l.Slate(now.Add(50 * time.Hour))
		}
	}
	if change != nil {
		change(l)
	}
	l.Run(audittest.Moment(1, 0, 0), audittest.Moment(12, 0, 0))
	w := stored(t, l, func(c audittest.Checkpoint, name string) []byte { return authority.Stamp(t, c.Raw, c.Tokens[name]) })
	w.authority = authority
	return w
}

// stored puts a ledger into a folder.
func stored(t testing.TB, l *audittest.Ledger, token func(c audittest.Checkpoint, name string) []byte) *world {
	t.Helper()
	w := &world{Ledger: l, dir: t.TempDir(), authority: new(stamptest.Authority)}
	s, err := (&local.Options{Dir: w.dir}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.sink = ledger.Target{Name: "local", Sink: s}
	for _, e := range w.Ledger.Entries {
		w.put(e.Object(), w.Records[e.Key])
	}
	for key, raw := range w.Reports {
		w.put(key, raw)
	}
	for _, c := range w.Checkpoints {
		w.put(tree.CheckpointKey(c.N), c.Raw)
		for name := range c.Tokens {
			w.put(tree.StampKey(c.N, name), token(c, name))
		}
	}
	return w
}

func (w *world) put(key string, raw []byte) {
	w.Helper()
	if err := w.sink.Put(context.Background(), key, sink.Bytes(raw)); err != nil {
		w.Fatal(err)
	}
}

// alter replaces what lies under a key, or removes it.
func (w *world) alter(key string, raw []byte) {
	w.Helper()
	file := filepath.Join(w.dir, filepath.FromSlash(key))
	err := os.Remove(file)
	if err == nil && raw != nil {
		err = os.WriteFile(file, raw, 0o600)
	}
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) source() bundle.Source {
	return bundle.Source{
		Ledger: w, Sinks: []ledger.Target{w.sink}, Keys: []string{w.Key}, Tool: audittest.Tool, Roots: w.authority.Root,
		Stamp: func(_ string, token, checkpoint []byte) (time.Time, error) { return w.check(token, checkpoint) },
		Report: func(ctx context.Context, m evidence.Manifest, out io.Writer) error {
			raw, err := sink.ReadAll(ctx, w.sink, m.ReportKey(), 1<<20)
			if sum := sha256.Sum256(raw); err == nil && hex.EncodeToString(sum[:]) != m.SHA256 {
				return fault.New(fault.Damaged, "it is another one")
			}
			if err == nil {
				_, err = out.Write(raw)
			}
			return err
		},
	}
}

func (w *world) check(token, checkpoint []byte) (time.Time, error) {
	t, err := stamp.Verify(token, checkpoint, w.authority.Pool)
	return t.Time, err
}

// write returns a bundle.
func (w *world) write(o bundle.Options) ([]byte, bundle.Made) {
	w.Helper()
	var b bytes.Buffer
	m, err := w.source().Write(w.Context(), &b, o)
	if err != nil {
		w.Fatal(err)
	}
	return b.Bytes(), m
}

// audit audits a bundle.
func (w *world) audit(raw []byte) audit.Result {
	w.Helper()
	r, err := audit.Bundle(bytes.NewReader(raw), int64(len(raw)), audit.Options{Keys: []string{w.Key}, Tool: audittest.Tool, Stamps: w.check})
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// verifiers returns the ledger's keys.
func (w *world) verifiers() note.Verifiers {
	w.Helper()
	v, err := note.NewVerifier(w.Key)
	if err != nil {
		w.Fatal(err)
	}
	return note.VerifierList(v)
}

// need returns the path of a command, and skips the test where there is none; CI has to
// have it.
func need(t testing.TB, command string) string {
	t.Helper()
	path, err := exec.LookPath(command)
	if err != nil && os.Getenv("PACKSEAL_CI") == "" {
		t.Skipf("there is no %s", command)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// file writes a file, and returns its path.
func file(t testing.TB, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
