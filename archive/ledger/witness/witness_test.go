package witness_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness"
	"packseal.example/archive/ledger/witness/witnesstest"
	"packseal.example/internal/fault"
)

const origin = "example.com/packseal/test"

// log is a log of the tests, with all of its hashes in memory.
type log struct {
	t        testing.TB
	signer   note.Signer
	verifier note.Verifier
	hashes   tree.Hashes
	edge     tree.Edge
}

func newLog(t testing.TB, origin string) *log {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	l := &log{t: t}
	if l.signer, err = note.NewSigner(private); err == nil {
		l.verifier, err = note.NewVerifier(public)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// grow adds entries, and returns the checkpoint.
func (l *log) grow(who string, n int) []byte {
	l.t.Helper()
	for range n {
		e := tree.Of(fmt.Sprintf("prod/cp-%s%d/2026/03/20260331T180000Z/manifest.json", who, l.edge.Size), nil)
		if err := l.hashes.Add(e); err != nil {
			l.t.Fatal(err)
		}
		l.edge.Append(e.Leaf())
	}
	raw, err := l.checkpoint().Sign(l.signer)
	if err != nil {
		l.t.Fatal(err)
	}
	return raw
}

func (l *log) checkpoint() tree.Checkpoint {
	return tree.Checkpoint{Origin: l.signer.Name(), Size: l.edge.Size, Root: l.edge.Root()}
}

func (l *log) prove(_ context.Context, old int64) (tlog.TreeProof, error) {
	if old == 0 || old == l.edge.Size {
		return nil, nil
	}
	return tlog.ProveTree(l.edge.Size, old, &l.hashes)
}

// client returns a client of a server with that handler.
func client(t testing.TB, key string, h http.Handler) *witness.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := witness.New(witness.Options{Name: "w1", URL: server.URL + "/prefix/", Key: key, Agent: "packseal/test"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCosign: a log that grows, with one client and with clients that know nothing.
func TestCosign(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin)
	w := witnesstest.New(t, "witness.example/w1", l.verifier)
	c := client(t, w.Key, w)
	for i, n := range []int{1, 0, 1, 5, 300, 0, 1} {
		raw := l.grow("a", n)
		if i%3 == 2 {
			c = client(t, w.Key, w) // as after a restart
		}
		lines, err := c.Cosign(t.Context(), raw, l.prove)
		if err != nil {
			t.Fatalf("size %d: %v", l.edge.Size, err)
		}
		if len(lines) != 1 || time.Since(lines[0].Time) > time.Minute || w.Seen(origin).N != l.edge.Size {
			t.Errorf("%v; the witness saw %d entries, of %d", lines, w.Seen(origin).N, l.edge.Size)
		}
		if err := lines[0].Verify(l.checkpoint().Text(), c.Key); err != nil {
			t.Error(err)
		}
	}
	w.Set(origin, tlog.Tree{}) // it has lost its memory
	if _, err := c.Cosign(t.Context(), l.grow("a", 1), l.prove); err != nil {
		t.Errorf("a witness that begins anew: %v", err)
	}
}

// TestOther: the witness knows another ledger than this one.
func TestOther(t *testing.T) {
	t.Parallel()
	ours := newLog(t, origin)
	other := &log{t: t, signer: ours.signer, verifier: ours.verifier}
	w := witnesstest.New(t, "witness.example/w1", ours.verifier)
	if _, err := client(t, w.Key, w).Cosign(t.Context(), other.grow("b", 10), other.prove); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]int{"of the same size": 10, "larger": 12} {
		l := &log{t: t, signer: ours.signer}
		_, err := client(t, w.Key, w).Cosign(t.Context(), l.grow("a", n), l.prove)
		if e, ok := errors.AsType[*witness.Forked](err); !ok || e.Size != 10 || fault.Of(err) != fault.Conflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := client(t, w.Key, w).Cosign(t.Context(), ours.grow("a", 9), ours.prove)
	if e, ok := errors.AsType[*witness.Ahead](err); !ok || e.Size != 10 || e.Ours != 9 || fault.Of(err) != fault.Conflict {
		t.Errorf("smaller: %v", err)
	}
	if w.Seen(origin).N != 10 {
		t.Errorf("the witness has seen %d entries", w.Seen(origin).N)
	}
}

// TestUnknown: a witness that does not know the log, or not its key.
func TestUnknown(t *testing.T) {
	t.Parallel()
	l, same, other := newLog(t, origin), newLog(t, origin), newLog(t, "example.com/other")
	for reason, known := range map[fault.Reason]*log{fault.Denied: same, fault.NotFound: other} {
		w := witnesstest.New(t, "witness.example/w1", known.verifier)
		_, err := client(t, w.Key, w).Cosign(t.Context(), l.grow("a", 1), l.prove)
		if fault.Of(err) != reason || !strings.Contains(fault.Hint(err), "verifier key") {
			t.Errorf("%s: %v, hint %q", reason, err, fault.Hint(err))
		}
	}
}

// TestLines: what else can stand in the answer.
func TestLines(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin)
	line := func(name string, size int) string {
		return "— " + name + " " + base64.StdEncoding.EncodeToString(append([]byte{1, 2, 3, 4}, make([]byte, size)...)) + "\n"
	}
	w := witnesstest.New(t, "witness.example/w1", l.verifier)
	w.More = line(w.Name, 8+2420) + line(w.Name, 72) + line("witness.example/w2", 8+2420)
	lines, err := client(t, w.Key, w).Cosign(t.Context(), l.grow("a", 1), l.prove)
	if err != nil || len(lines) != 2 || !lines[1].Unverifiable() || lines[1].ID != 0x01020304 {
		t.Errorf("%v, %v", lines, err)
	}
	other := witnesstest.New(t, w.Name, l.verifier)
	if _, err := client(t, other.Key, w).Cosign(t.Context(), l.grow("a", 1), l.prove); fault.Of(err) != fault.Damaged || !strings.Contains(fault.Hint(err), "key") {
		t.Errorf("of another key: %v", err)
	}
	w.Now = func() time.Time { return time.Unix(-1, 0) } // a time that is none
	if _, err := client(t, w.Key, w).Cosign(t.Context(), l.grow("a", 1), l.prove); fault.Of(err) != fault.Damaged {
		t.Errorf("a negative time: %v", err)
	}
}

// TestAnswers: answers that the specification does not know, or that are not of its form.
func TestAnswers(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin)
	raw := l.grow("a", 5)
	w := witnesstest.New(t, "witness.example/w1", l.verifier)
	for _, tt := range []struct {
		name   string
		status int
		kind   string
		body   string
		reason fault.Reason
		want   string
	}{
		{"conflict without a size", 409, "text/plain", "conflict\n", fault.Damaged, "not at which"},
		{"of another type", 409, "text/plain", "3\n", fault.Damaged, "not at which"},
		{"with a zero before it", 409, "text/x.tlog.size", "03\n", fault.Damaged, "not at which"},
		{"without end", 409, "text/x.tlog.size", "3", fault.Damaged, "not at which"},
		{"negative", 409, "text/x.tlog.size", "-3\n", fault.Damaged, "not at which"},
		{"the size that it was asked from", 409, "text/x.tlog.size", "0\n", fault.Damaged, "refuses"},
		{"no lines", 200, "text/plain", "", fault.Damaged, "0 lines"},
		{"a page", 200, "text/html", "<html>\n", fault.Damaged, "not the line"},
		{"of another checkpoint", 200, "", w.Cosign("x\n1\n\n", time.Now()), fault.Damaged, "not a cosignature"},
		{"twice", 200, "", strings.Repeat(w.Cosign(l.checkpoint().Text(), time.Now()), 2), fault.Damaged, "2 lines"},
		{"malformed", 400, "", "no", fault.Request, "status 400"},
		{"throttled", 429, "", "", fault.Throttled, "status 429"},
		{"down", 500, "", "", fault.Unavailable, "status 500"},
		{"elsewhere", 307, "", "", fault.NotFound, "status 307"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := client(t, w.Key, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Content-Type", tt.kind)
				rw.Header().Set("Location", "http://other.example/")
				rw.WriteHeader(tt.status)
				io.WriteString(rw, tt.body) //nolint:errcheck // the client has gone
			}))
			lines, err := c.Cosign(t.Context(), raw, l.prove)
			if fault.Of(err) != tt.reason || !strings.Contains(fmt.Sprint(err), tt.want) || !strings.Contains(fmt.Sprint(err), "w1") && tt.reason != fault.Conflict || lines != nil {
				t.Errorf("%v (%s), want %s, %q", err, fault.Of(err), tt.reason, tt.want)
			}
		})
	}
}

// TestRestless: a witness that names another size each time is not asked for ever.
func TestRestless(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin)
	raw, asked := l.grow("a", 50), 0
	w := witnesstest.New(t, "witness.example/w1", l.verifier)
	c := client(t, w.Key, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked++
		rw.Header().Set("Content-Type", "text/x.tlog.size")
		rw.WriteHeader(http.StatusConflict)
		fmt.Fprintln(rw, asked) //nolint:errcheck // the client has gone
	}))
	if _, err := c.Cosign(t.Context(), raw, l.prove); fault.Of(err) != fault.Unavailable || asked > 5 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

// TestTry: a witness that was never asked, one that is behind and one that is ahead.
func TestTry(t *testing.T) {
	t.Parallel()
	l := newLog(t, origin)
	w := witnesstest.New(t, "witness.example/w1", l.verifier)
	c := client(t, w.Key, w)
	small := l.grow("a", 3)
	try := func(raw []byte, want int64) {
		t.Helper()
		if size, err := c.Try(t.Context(), raw); err != nil || size != want {
			t.Errorf("it has cosigned %d entries, want %d, %v", size, want, err)
		}
	}
	try(small, 3)
	large := l.grow("a", 3)
	try(large, 3)
	if _, err := c.Cosign(t.Context(), large, l.prove); err != nil {
		t.Fatal(err)
	}
	try(small, 6)
	other := newLog(t, "example.com/other")
	if _, err := c.Try(t.Context(), other.grow("b", 1)); fault.Of(err) != fault.NotFound {
		t.Errorf("of a log that it does not know: %v", err)
	}
	if _, err := c.Try(t.Context(), []byte("no checkpoint")); fault.Of(err) != fault.Internal {
		t.Errorf("of no checkpoint: %v", err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	if _, err := witness.New(witness.Options{Name: "w1", URL: "https://witness.example", Key: "no"}); fault.Of(err) != fault.Request {
		t.Errorf("a key that is none: %v", err)
	}
	l := newLog(t, origin)
	w := witnesstest.New(t, "witness.example/w1", l.verifier)
	c := client(t, w.Key, w)
	if _, err := c.Cosign(t.Context(), []byte("no checkpoint"), l.prove); fault.Of(err) != fault.Internal {
		t.Errorf("of no checkpoint: %v", err)
	}
	failed := fault.New(fault.SinkUnavailable, "no tiles")
	if _, err := c.Cosign(t.Context(), l.grow("a", 1), func(context.Context, int64) (tlog.TreeProof, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Errorf("without a proof: %v", err)
	}
}
