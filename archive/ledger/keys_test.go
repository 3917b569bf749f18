package ledger_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

func TestReadKeys(t *testing.T) {
	t.Parallel()
	k, next := newKey(t, origin), newKey(t, origin)
	keys, err := ledger.ReadKeys(keyFile(t, "", k.line, "  "+next.line+" "), origin)
	if err != nil || !slices.Equal(keys.Verifiers(), []string{k.text, next.text}) {
		t.Errorf("two keys: %v, %v", keys.Verifiers(), err)
	}
	other := newKey(t, "example.com/other")
	for name, file := range map[string]secret.File{
		"no file": "/does/not/exist", "empty": keyFile(t), "a verifier": keyFile(t, k.text), "cut": keyFile(t, k.line[:len(k.line)-5]), "another origin's": other.file,
		"three keys": keyFile(t, k.line, next.line, k.line), "invisible": keyFile(t, k.line[:20]+"\u200b"+k.line[20:]), "its own ID": keyFile(t, strings.Replace(k.line, k.text[len(origin)+1:len(origin)+9], "00000000", 1)),
	} {
		_, err := ledger.ReadKeys(file, origin)
		if fault.Of(err) != fault.Credentials {
			t.Errorf("%s: %v", name, err)
		}
		if secret := k.line[len(k.line)-20 : len(k.line)-6]; strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
			t.Errorf("%s: the error tells the key: %v", name, err)
		}
	}
	for _, bad := range []string{"", "a b", "a+b", "a\n", "é"} {
		if _, _, err := ledger.GenerateKey(bad); fault.Of(err) != fault.Request || fault.Hint(err) == "" {
			t.Errorf("origin %q: %v", bad, err)
		}
	}
}

// signers returns which keys signed batch n and its checkpoint.
func signers(t *testing.T, s *store, n int64, keys ...key) (batch, checkpoint string) {
	t.Helper()
	for i, k := range keys {
		known := note.VerifierList(k.verifier)
		if _, err := tree.OpenNote(s.get(tree.BatchKey(n)), known); err == nil {
			batch += fmt.Sprint(i + 1)
		}
		if _, err := tree.OpenNote(s.get(tree.CheckpointKey(n)), known); err == nil {
			checkpoint += fmt.Sprint(i + 1)
		}
	}
	return batch, checkpoint
}

// TestRotation: the next key is announced under the key before, then both sign, then
// the next one alone; replicas that have the one, both or the other follow.
func TestRotation(t *testing.T) {
	t.Parallel()
	k1, k2 := newKey(t, origin), newKey(t, origin)
	both := keyFile(t, k1.line, k2.line)
	dirs := make([]string, 8)
	for i := range dirs {
		dirs[i] = t.TempDir()
	}
	first := newStore()
	synctest.Test(t, func(t *testing.T) {
		old := open(t, k1.file, dirs[0], first)
		want := old.append("a", 0, 2)
		r := open(t, both, dirs[1], first)
		want = append(want, r.append("b", 0, 2)...) // announces
		want = append(want, r.append("c", 0, 2)...)
		want = append(want, old.append("d", 0, 2)...) // still with its own alone
		fresh := open(t, both, dirs[2], first)
		want = append(want, fresh.append("e", 0, 2)...) // announces again: nothing tells it
		want = append(want, fresh.again().append("f", 0, 2)...)

		time.Sleep(31 * 24 * time.Hour)
		want = append(want, r.append("g", 0, 2)...)
		old.log("h", 0)
		if err := old.Commit(t.Context()); fault.Of(err) != fault.Credentials || !strings.Contains(err.Error(), k2.text) || fault.Hint(err) == "" {
			t.Errorf("a replica with the key before only: %v", err)
		}
		want = append(want, open(t, k2.file, dirs[3], first).append("i", 0, 2)...)
		want = append(want, open(t, both, dirs[4], first).append("j", 0, 2)...)
		if err := open(t, k1.file, dirs[5], first).Commit(t.Context()); fault.Of(err) != fault.Credentials || fault.Hint(err) == "" {
			t.Errorf("a fresh replica with the key before only: %v", err)
		}
		old = open(t, k2.file, dirs[0], first) // with its state, and what it owes
		old.commit()
		e, _ := object("h", 0)
		want = append(want, e)

		got, head := replay(t, first, k1.verifier, k2.verifier)
		records := 0
		got = slices.DeleteFunc(got, func(e tree.Entry) bool {
			if e.Kind() == tree.NextKey {
				records++
			}
			return e.Kind() == tree.NextKey
		})
		sameEntries(t, got, want)
		var all []string
		for n := range head.Batches {
			b, c := signers(t, first, n, k1, k2)
			if all = append(all, b); b != c {
				t.Errorf("batch %d is signed by %s, its checkpoint by %s", n, b, c)
			}
		}
		if got, want := strings.Join(all, " "), "1 1 12 1 12 12 2 2 2 2"; records != 1 || got != want {
			t.Errorf("the batches are signed by %s, want %s; %d announcements", got, want, records)
		}
	})
	if b, err := os.ReadFile(dirs[1] + "/tip"); err != nil || strings.Contains(string(b), "PRIVATE") {
		t.Errorf("the tip is %s, %v", b, err)
	}
}

// TestKeyUnread: while the announcement of a key can't be read, nothing is signed:
// what the key signs would count as void.
func TestKeyUnread(t *testing.T) {
	t.Parallel()
	k1, k2 := newKey(t, origin), newKey(t, origin)
	first := newStore()
	old := open(t, k1.file, t.TempDir(), first)
	old.append("a", 0, 1)
	r := open(t, keyFile(t, k1.line, k2.line), t.TempDir(), first)
	r.append("b", 0, 1)
	got, _ := replay(t, first, k1.verifier)
	i := slices.IndexFunc(got, func(e tree.Entry) bool { return e.Kind() == tree.NextKey })
	record := first.get(got[i].Key)
	first.set(got[i].Key, []byte("x"))
	old.log("c", 0)
	if err := old.Commit(t.Context()); fault.Of(err) != fault.NotFound {
		t.Errorf("commit: %v", err)
	}
	first.set(got[i].Key, record)
	old.commit()
	old.has()
}

// TestKeyRecordGone: where the announcement was removed from every sink, a replica that
// has the next key goes on.
func TestKeyRecordGone(t *testing.T) {
	t.Parallel()
	k1, k2 := newKey(t, origin), newKey(t, origin)
	first, both := newStore(), keyFile(t, k1.line, k2.line)
	r, behind := open(t, both, t.TempDir(), first), open(t, both, t.TempDir(), first)
	open(t, k1.file, t.TempDir(), first).append("a", 0, 1)
	want := r.append("b", 0, 1)
	got, _ := replay(t, first, k1.verifier)
	i := slices.IndexFunc(got, func(e tree.Entry) bool { return e.Kind() == tree.NextKey })
	first.set(got[i].Key, nil)
	want = append(want, behind.append("behind", 0, 1)...)
	behind.has(ledger.RolledBack)
	want = append(want, r.append("running", 0, 1)...)
	want = append(want, open(t, both, t.TempDir(), first).append("fresh", 0, 1)...)
	got, head := replay(t, first, k1.verifier, k2.verifier)
	if len(got) != len(want)+2 {
		t.Errorf("%d entries, want %d", len(got), len(want)+2)
	}
	if b, _ := signers(t, first, head.Batches-1, k1, k2); b != "12" {
		t.Errorf("the last batch is signed by %s", b)
	}
}
