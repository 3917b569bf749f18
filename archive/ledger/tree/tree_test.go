package tree_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "000", 7: "007", 999: "999", 1000: "x001/000", 1234: "x001/234", 1_000_000: "x001/x000/000", 1_234_067: "x001/x234/067"} {
		if got := tree.Number(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
		if got, ok := tree.ParseNumber(want); !ok || got != n {
			t.Errorf("%q is %d, %t", want, got, ok)
		}
	}
	for _, s := range []string{"", "0", "00", "0000", "x000/001", "1/234", "x001/23", "x1/234", "-01", "001/", "x001234", "00x", "+01"} {
		if n, ok := tree.ParseNumber(s); ok {
			t.Errorf("%q is taken for %d", s, n)
		}
	}
	if n, ok := tree.ParseKey(tree.BatchDir, tree.BatchKey(1234)); !ok || n != 1234 {
		t.Errorf("the number of its key is %d, %t", n, ok)
	}
}

// TestEdge: the edge folds to the root that an implementation of others computes,
// at every size.
func TestEdge(t *testing.T) {
	t.Parallel()
	var e tree.Edge
	var h tree.Hashes
	for n := range 3001 {
		want, err := tlog.TreeHash(int64(n), &h)
		if err != nil {
			t.Fatal(err)
		}
		if e.Root() != want || e.Size != int64(n) || e.Check() != nil {
			t.Fatalf("of %d leaves: root %s of size %d, want %s", n, e.Root(), e.Size, want)
		}
		before := e.Root()
		if after := e.Add(entries(n, n+2)); after.Size != int64(n+2) || e.Root() != before {
			t.Fatalf("of %d leaves: Add changes the edge", n)
		}
		e.Append(entry(n).Leaf())
		if err := h.Add(entry(n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []tree.Edge{{Size: -1}, {Size: 1}, {Size: 2, Hashes: make([]tlog.Hash, 2)}, {Hashes: make([]tlog.Hash, 1)}} {
		if bad.Check() == nil {
			t.Errorf("%d leaves with %d hashes are accepted", bad.Size, len(bad.Hashes))
		}
	}
}

func TestEntry(t *testing.T) {
	t.Parallel()
	const slot = "prod/ca-1/cp-2/2026/03/20260331T180000Z/"
	sum := strings.Repeat("0a", 32)
	for key, want := range map[string]struct {
		kind   tree.Kind
		object string
	}{
		slot + "manifest.json":                                         {tree.Manifest, slot + "manifest.json"},
		slot + "gap.json":                                              {tree.Gap, slot + "gap.json"},
		slot + "ack-20260401T102030Z.json":                             {"", slot + "ack-20260401T102030Z.json"},
		tree.FoundKey(slot + "gap.json"):                               {tree.Found, slot + "gap.json"},
		tree.PrunedKey(slot + "report-0a0a0a0a0a0a.xls"):               {tree.Pruned, slot + "report-0a0a0a0a0a0a.xls"},
		tree.Dir + "void/1234":                                         {tree.Void, tree.BatchKey(1234)},
		"packseal-ledger/plan/20260331T180000Z-0a0a0a0a0a0a.json":      {tree.Plan, "packseal-ledger/plan/20260331T180000Z-0a0a0a0a0a0a.json"},
		"packseal-ledger/slate/20260331T180000Z-0a0a0a0a0a0a.json":     {tree.Slate, "packseal-ledger/slate/20260331T180000Z-0a0a0a0a0a0a.json"},
		"packseal-ledger/policy/0a0a0a0a0a0a.json":                     {tree.Policy, "packseal-ledger/policy/0a0a0a0a0a0a.json"},
		"packseal-ledger/key/0a0a0a0a0a0a.json":                        {tree.NextKey, "packseal-ledger/key/0a0a0a0a0a0a.json"},
		"packseal-ledger/epoch/0a0a0a0a0a0a.json":                      {tree.Epoch, "packseal-ledger/epoch/0a0a0a0a0a0a.json"},
		"packseal-ledger/statement/20260331T180000Z-0a0a0a0a0a0a.json": {tree.Statement, "packseal-ledger/statement/20260331T180000Z-0a0a0a0a0a0a.json"},
		"packseal-ledger/promise/2026.json":                            {"", "packseal-ledger/promise/2026.json"},
		"a/b":                                                          {"", "a/b"},
		strings.Repeat("k", tree.MaxEntry-66):                          {"", strings.Repeat("k", tree.MaxEntry-66)},
	} {
		e, err := tree.ParseEntry(sum + "  " + key)
		if err != nil || e.Key != key || e.Kind() != want.kind || e.Object() != want.object {
			t.Errorf("%.60s: kind %q, object %.60s, %v", key, e.Kind(), e.Object(), err)
		}
	}
	for _, s := range []string{
		"", sum, sum + "  ", sum + " " + slot, sum + "  /a", sum + "  a/../b", sum + "  ../a", sum + "  a\rb", sum + "  a\nb", sum + "  a\x00b", sum + "  .a", sum + "  a//b",
		sum + "  a\\b", sum + "  a\xff", strings.ToUpper(sum) + "  a", sum[:62] + "  a", sum + "0a  a", sum + "   a/", " " + sum + "  a", sum + "\ta",
		sum + "  " + strings.Repeat("k", tree.MaxEntry-65),
	} {
		if e, err := tree.ParseEntry(s); fault.Of(err) != fault.Damaged {
			t.Errorf("%.100q is read as %v, %v", s, e, err)
		}
	}
}

// log returns batches of one log, as they are stored, and the log after each.
func log(t testing.TB, sizes ...int) (raws [][]byte, heads []tree.Head) {
	t.Helper()
	signer, _ := key(t, origin, 1)
	head, at := tree.Head{Origin: origin}, 0
	for _, n := range sizes {
		b := head.Batch(entries(at, at+n))
		raw, err := b.Sign(signer)
		if err != nil {
			t.Fatal(err)
		}
		head, at = b.After(), at+n
		raws, heads = append(raws, raw), append(heads, head)
	}
	return raws, heads
}

// TestGolden: batches, checkpoints and tiles are these bytes, for ever.
func TestGolden(t *testing.T) {
	t.Parallel()
	signer, verifier := key(t, origin, 1)
	raws, heads := log(t, 3, 4)
	checkpoint, err := heads[1].Checkpoint().Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	tiler := tree.Tiler{}
	var tiles bytes.Buffer
	for _, tile := range tiler.Fill(entries(0, tree.TileWidth)) {
		fmt.Fprintf(&tiles, "%s\n%x\n", tile.Key, tile.Data)
	}
	for name, got := range map[string][]byte{"batch.000": raws[0], "batch.001": raws[1], "checkpoint.001": checkpoint, "tiles": tiles.Bytes()} {
		want, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not as it was: %v\n%s", name, err, cmp.Diff(string(want), string(got)))
		}
	}
	b, s, err := heads[0].Open(raws[1], note.VerifierList(verifier))
	if err != nil || b.N != 1 || !slices.Equal(b.Entries, entries(3, 7)) || !slices.Equal(s.Keys, []uint32{verifier.KeyHash()}) || b.After().Checkpoint() != heads[1].Checkpoint() {
		t.Errorf("it is read as %+v, %+v, %v", b, s, err)
	}
	if c, _, err := tree.OpenCheckpoint(checkpoint, note.VerifierList(verifier)); err != nil || c != heads[1].Checkpoint() || c.String() != origin+" 7 "+c.Root.String() {
		t.Errorf("it is read as %v, %v", c, err)
	}
}

// TestSHA256SUMS: sha256sum reads entries.
func TestSHA256SUMS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var sums strings.Builder
	for i, name := range []string{"a", "b c", "d/é"} {
		if err := os.MkdirAll(filepath.Join(dir, "d"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), fmt.Append(nil, i), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&sums, tree.Of(name, fmt.Append(nil, i)))
	}
	cmd := exec.CommandContext(t.Context(), "sha256sum", "--strict", "-c", "-")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(sums.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	_, verifier := key(t, origin, 1)
	other, _ := key(t, origin, 2)
	signer, _ := key(t, origin, 1)
	known := note.VerifierList(verifier)
	raws, heads := log(t, 3, 4, 300)
	sign := func(text string, s ...note.Signer) []byte {
		raw, err := note.Sign(&note.Note{Text: text}, s...)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	text := func(b tree.Batch) string { return b.Text() }
	good := heads[0].Batch(entries(3, 7))
	change := func(old, next string) []byte { return sign(strings.Replace(text(good), old, next, 1), signer) }
	line := raws[1][bytes.LastIndex(raws[1], []byte("\n\n"))+2:]
	for name, c := range map[string]struct {
		raw []byte
		is  error
	}{
		"nothing":            {nil, tree.ErrUnsigned},
		"text":               {[]byte("hello\n"), tree.ErrUnsigned},
		"another key's":      {sign(text(good), other), tree.ErrUnsigned},
		"altered":            {bytes.Replace(raws[1], []byte("cp-3"), []byte("cp-9"), 1), tree.ErrUnsigned},
		"cut":                {raws[1][:len(raws[1])-1], tree.ErrUnsigned},
		"with CR":            {bytes.ReplaceAll(raws[1], []byte("\n"), []byte("\r\n")), tree.ErrUnsigned},
		"too large":          {bytes.Repeat([]byte("a"), tree.MaxNote+1), tree.ErrUnsigned},
		"two lines of a key": {append(slices.Clone(raws[1]), line...), tree.ErrUnsigned},
		"the first again":    {raws[0], tree.ErrUnsigned},
		"the third":          {raws[2], tree.ErrUnsigned},
		"another root":       {sign(text(tree.Head{Origin: origin, Batches: 1, Edge: tree.Edge{}.Add(entries(1, 4))}.Batch(entries(3, 7))), signer), tree.ErrForked},
		"another origin":     {change(origin, "example.com/other"), tree.ErrForked},
		"no entries":         {sign(text(heads[0].Batch(nil)), signer), tree.ErrForked},
		"a zero before":      {change("size 3", "size 03"), tree.ErrForked},
		"a plus":             {change("batch 1", "batch +1"), tree.ErrForked},
		"no size":            {change("size 3\n", ""), tree.ErrForked},
		"an edge too few":    {sign(strings.Join(slices.Delete(strings.SplitAfter(text(good), "\n"), 4, 5), ""), signer), tree.ErrForked},
		"another version":    {change("batch@v1", "batch@v2"), tree.ErrForked},
		"a strange entry":    {change("  prod/cp-3", "  ../cp-3"), tree.ErrForked},
		"an empty line":      {sign(text(good)+"\n", signer), tree.ErrForked},
		"a checkpoint":       {sign(heads[0].Checkpoint().Text(), signer), tree.ErrUnsigned},
	} {
		_, _, err := heads[0].Open(c.raw, known)
		if fault.Of(err) != fault.Damaged || !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	both := sign(text(good), signer, other)
	if _, s, err := heads[0].Open(both, known); err != nil || !slices.Equal(s.Keys, []uint32{signer.KeyHash(), other.KeyHash()}) {
		t.Errorf("with a line of a key that is not known: %+v, %v", s, err)
	}
	for name, bad := range map[string]string{
		"an extension": heads[0].Checkpoint().Text() + "x\n", "no root": origin + "\n3\n", "a bad root": origin + "\n3\nAAAA\n", "a negative size": origin + "\n-3\n" + heads[0].Edge.Root().String() + "\n",
		"a zero before": origin + "\n03\n" + heads[0].Edge.Root().String() + "\n",
	} {
		if _, _, err := tree.OpenCheckpoint(sign(bad, signer), known); fault.Of(err) != fault.Damaged {
			t.Errorf("checkpoint with %s: %v", name, err)
		}
	}
}
