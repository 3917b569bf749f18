package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
	"packseal.example/sink"
)

const origin = "example.com/packseal/test"

// store is a sink that keeps the contract, unless a test breaks it.
type store struct {
	mu      sync.Mutex
	objects map[string][]byte
	before  func(op, key string) error // an error: the call fails, and does nothing
	after   func(op, key string) error // an error: it was done, and the answer is lost
}

func newStore() *store { return &store{objects: make(map[string][]byte)} }

func (s *store) call(op, key string, do func() error) error {
	s.mu.Lock()
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		if err := before(op, key); err != nil {
			return err
		}
	}
	s.mu.Lock()
	err := do()
	s.mu.Unlock()
	if err == nil && after != nil {
		err = after(op, key)
	}
	return err
}

func (s *store) Put(ctx context.Context, key string, c sink.Content) error {
	if err := sink.CheckKey(key); err != nil {
		return err
	}
	b, err := io.ReadAll(c.Reader())
	if err != nil {
		return err
	}
	return s.call("put", key, func() error {
		if old, ok := s.objects[key]; ok && !bytes.Equal(old, b) {
			return fault.New(fault.Conflict, "%s holds other content", key)
		}
		s.objects[key] = b
		return nil
	})
}

func (s *store) Open(ctx context.Context, key string) (r io.ReadCloser, err error) {
	err = s.call("open", key, func() error {
		b, ok := s.objects[key]
		if !ok {
			return sink.NotExist(key)
		}
		r = io.NopCloser(bytes.NewReader(b))
		return nil
	})
	return r, err
}

func (s *store) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		var keys []string
		err := s.call("list", prefix, func() error {
			for key := range s.objects {
				if strings.HasPrefix(key, prefix) && key > after {
					keys = append(keys, key)
				}
			}
			return nil
		})
		if err != nil {
			yield(sink.Entry{}, err)
			return
		}
		slices.Sort(keys)
		for _, key := range keys {
			if !yield(sink.Entry{Key: key}, nil) {
				return
			}
		}
	}
}

// set makes b what is under a key; nil removes it.
func (s *store) set(key string, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects[key] = b; b == nil {
		delete(s.objects, key)
	}
}

func (s *store) get(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[key]
}

// clone returns a store with the same objects.
func (s *store) clone() *store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &store{objects: maps.Clone(s.objects)}
}

// breaks sets what happens before and after each call.
func (s *store) breaks(before, after func(op, key string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// discard is a log that nobody reads.
var discard = slog.New(slog.DiscardHandler)

// down is the error of a store that is not there.
var down = fault.New(fault.SinkUnavailable, "the store is down")

func isDown(string, string) error { return down }

// key is a key of the ledger, in a file.
type key struct {
	file     secret.File
	line     string
	verifier note.Verifier
	text     string
}

func newKey(t testing.TB, origin string) key {
	t.Helper()
	line, text, err := ledger.GenerateKey(origin)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(text)
	if err != nil {
		t.Fatal(err)
	}
	return key{keyFile(t, line.Reveal()), line.Reveal(), v, text}
}

func keyFile(t testing.TB, lines ...string) secret.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return secret.File(name)
}

// replica is one of several processes that append to a ledger.
type replica struct {
	t testing.TB
	*ledger.Ledger
	dir   string
	file  secret.File
	sinks []sink.Sink
}

// open opens a replica. dir is its state folder.
func open(t testing.TB, file secret.File, dir string, sinks ...sink.Sink) *replica {
	t.Helper()
	r := &replica{t: t, dir: dir, file: file, sinks: sinks}
	keys, err := ledger.ReadKeys(file, origin)
	if err != nil {
		t.Fatal(err)
	}
	o := ledger.Options{Origin: origin, Keys: keys, Dir: dir, Tool: "packseal/test", Logger: discard}
	for i, s := range sinks {
		o.Sinks = append(o.Sinks, ledger.Target{Name: fmt.Sprint("sink", i), Sink: s})
	}
	if r.Ledger, err = ledger.Open(o); err != nil {
		t.Fatal(err)
	}
	return r
}

// again is the replica after a restart.
func (r *replica) again() *replica { return open(r.t, r.file, r.dir, r.sinks...) }

// object is the i-th object of a replica, and its entry.
func object(who string, i int) (e tree.Entry, b []byte) {
	b = fmt.Appendf(nil, "%s %d", who, i)
	return tree.Of(fmt.Sprintf("prod/cp-%s%d/2026/03/20260331T180000Z/manifest.json", who, i), b), b
}

// log logs the i-th object.
func (r *replica) log(who string, i int) tree.Entry {
	r.t.Helper()
	e, b := object(who, i)
	if err := r.Log(e, func() error { return r.sinks[0].Put(context.Background(), e.Key, sink.Bytes(b)) }); err != nil {
		r.t.Errorf("logging %v: %v", e, err)
	}
	return e
}

// append logs objects and commits them.
func (r *replica) append(who string, from, to int) (entries []tree.Entry) {
	r.t.Helper()
	for i := from; i < to; i++ {
		entries = append(entries, r.log(who, i))
	}
	r.commit()
	return entries
}

func (r *replica) commit() {
	r.t.Helper()
	if err := r.Commit(context.Background()); err != nil {
		r.t.Fatalf("commit: %v", err)
	}
}

// refuses fails the test unless nothing is signed, for that kind of problem.
func (r *replica) refuses(kind ledger.Kind) {
	r.t.Helper()
	batches := r.batches()
	r.log("refused", 0)
	err := r.Commit(context.Background())
	if fault.Of(err) != fault.Conflict || !strings.Contains(err.Error(), "nothing is signed: "+string(kind)) || fault.Hint(err) == "" {
		r.t.Errorf("commit: %v, want a refusal that is %s", err, kind)
	}
	r.has(kind)
	if now := r.batches(); !maps.EqualFunc(batches, now, bytes.Equal) {
		r.t.Error("something was signed")
	}
}

// batches are those of the first sink.
func (r *replica) batches() map[string][]byte {
	all := make(map[string][]byte)
	for e, err := range r.sinks[0].List(context.Background(), tree.BatchDir, "") {
		if err != nil {
			r.t.Fatal(err)
		}
		all[e.Key], _ = sink.ReadAll(context.Background(), r.sinks[0], e.Key, tree.MaxNote)
	}
	return all
}

// has fails the test unless the last commit found exactly these kinds of problems.
func (r *replica) has(kinds ...ledger.Kind) {
	r.t.Helper()
	var got []ledger.Kind
	for _, p := range r.Status().Problems {
		got = append(got, p.Kind)
	}
	if slices.Sort(got); !slices.Equal(slices.Compact(got), kinds) {
		r.t.Errorf("problems %v, want %v", r.Status().Problems, kinds)
	}
}

// replay reads a sink as an auditor would, without a replica: batch after batch,
// with the checkpoint after each. It returns the entries.
func replay(t testing.TB, s sink.Sink, vs ...note.Verifier) (entries []tree.Entry, head tree.Head) {
	t.Helper()
	ctx, known := context.Background(), note.VerifierList(vs...)
	head = tree.Head{Origin: origin}
	seen := make(map[tree.Entry]bool)
	for {
		n := head.Batches
		raw, err := sink.ReadAll(ctx, s, tree.BatchKey(n), 16<<20)
		if errors.Is(err, sink.ErrNotExist) {
			return entries, head
		}
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := head.Open(raw, known)
		checkpoint, cerr := sink.ReadAll(ctx, s, tree.CheckpointKey(n), 1<<20)
		if errors.Is(err, tree.ErrUnsigned) {
			if head = head.Skip(); !errors.Is(cerr, sink.ErrNotExist) {
				t.Errorf("void batch %d has a checkpoint", n)
			}
			continue
		}
		if err != nil {
			t.Fatalf("batch %d: %v", n, err)
		}
		head = b.After()
		if c, _, err := tree.OpenCheckpoint(checkpoint, known); err != nil || c != head.Checkpoint() {
			t.Errorf("checkpoint %d is %v, %v, %v; want %v", n, c, cerr, err, head.Checkpoint())
		}
		for _, e := range b.Entries {
			if seen[e] {
				t.Errorf("%v is logged twice", e)
			}
			seen[e] = true
		}
		entries = append(entries, b.Entries...)
	}
}

// sameEntries fails the test unless the ledger has these entries, in any order.
func sameEntries(t testing.TB, got, want []tree.Entry) {
	t.Helper()
	lines := func(es []tree.Entry) (all []string) {
		for _, e := range es {
			all = append(all, e.String())
		}
		slices.Sort(all)
		return all
	}
	if g, w := lines(got), lines(want); !slices.Equal(g, w) {
		t.Errorf("the ledger has %d entries, want %d", len(g), len(w))
		for i := range max(len(g), len(w)) {
			if i >= len(g) || i >= len(w) || g[i] != w[i] {
				t.Errorf("the first that differs is %d: %q, want %q", i, slices.Concat(g, []string{""})[min(i, len(g))], slices.Concat(w, []string{""})[min(i, len(w))])
				break
			}
		}
	}
}
