package queue

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBoardOutlivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, _ := open(t, dir)
	if _, err := q.engine.board.PutString(t.Context(), "a.key", "a value"); err != nil {
		t.Fatal(err)
	}
	name := q.member
	q.Close()
	q, _ = open(t, dir)
	if e, err := q.engine.board.Get(t.Context(), "a.key"); err != nil || string(e.Value()) != "a value" {
		t.Errorf("after a restart the board says %v, %v", e, err)
	}
	if q.member != name {
		t.Errorf("after a restart it is %s, before %s", q.member, name)
	}
}

func TestMemberName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := memberName(dir, "packseal-0")
	if err != nil || !strings.HasPrefix(first, "packseal-0.") {
		t.Fatalf("%q, %v", first, err)
	}
	if again, _ := memberName(dir, "packseal-0"); again != first {
		t.Errorf("%s became %s", first, again)
	}
	if other, _ := memberName(t.TempDir(), "packseal-0"); other == first {
		t.Errorf("two folders share the name %s", other)
	}
	if err := os.WriteFile(filepath.Join(dir, "member"), []byte("torn *"), 0o600); err != nil {
		t.Fatal(err)
	}
	if mended, err := memberName(dir, ""); err != nil || strings.ContainsAny(mended, "* \n") {
		t.Errorf("after a torn file: %q, %v", mended, err)
	}
}
