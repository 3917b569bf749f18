package ledger

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/fault"
)

func opened(t *testing.T, path string) *owed {
	t.Helper()
	o, err := openOwed(path)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func line(name string, i int) tree.Entry {
	return tree.Of(fmt.Sprintf("prod/%s-%d/2026/03/20260331T180000Z/gap.json", name, i), []byte(name))
}

func sameOwed(t *testing.T, o *owed, want ...tree.Entry) {
	t.Helper()
	got, err := o.all()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if !slices.Equal(got, want) {
		t.Errorf("owed are %v, want %v", got, want)
	}
}

// TestOwed: what was added is there for the next process, until it was swept.
func TestOwed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "owed")
	o := opened(t, path)
	var e []tree.Entry
	for i := range 4 {
		next := line("o", i)
		e = append(e, next)
		if err := o.add(next); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.add(e[0]); err != nil { // once more
		t.Fatal(err)
	}
	sameOwed(t, opened(t, path), e...)
	o.drop(e[0], e[2])
	sameOwed(t, o, e[1], e[3])
	sameOwed(t, opened(t, path), e...)
	if err := o.sweep(); err != nil {
		t.Fatal(err)
	}
	sameOwed(t, opened(t, path), e[1], e[3])
	if err := o.add(e[2]); err != nil { // owed again
		t.Fatal(err)
	}
	sameOwed(t, o, e[1:]...)
	o.drop(e[3])
	if err := o.add(e[3]); err != nil { // before it was swept
		t.Fatal(err)
	}
	if err := o.sweep(); err != nil {
		t.Fatal(err)
	}
	sameOwed(t, opened(t, path), e[1:]...)
}

// TestOwedTorn: a line that a crash cut off is none, and the next one takes its place.
func TestOwedTorn(t *testing.T) {
	t.Parallel()
	a := line("torn", 0)
	b := line("torn", 1)
	for cut := range len(b.String()) + 1 {
		path := filepath.Join(t.TempDir(), "owed")
		if err := os.WriteFile(path, []byte(a.String()+"\n"+b.String()[:cut]), 0o600); err != nil {
			t.Fatal(err)
		}
		o := opened(t, path)
		sameOwed(t, o, a)
		if err := o.add(b); err != nil {
			t.Fatal(err)
		}
		sameOwed(t, o, a, b)
	}
}

// TestOwedDamaged: a line that is no entry is an error that says which, and nothing is
// removed.
func TestOwedDamaged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "owed")
	a := line("damaged", 0)
	text := []byte(a.String() + "\n?\n")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	o := opened(t, path)
	_, err := o.all()
	if fault.Of(err) != fault.Damaged || fault.Hint(err) == "" || !strings.Contains(err.Error(), "line 2 of "+path) {
		t.Errorf("%v", err)
	}
	if o.drop(a); fault.Of(o.sweep()) != fault.Damaged {
		t.Error("swept")
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestOwedFull: what could not be written is not owed, and does not hinder the next.
func TestOwedFull(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "owed")
	o := opened(t, path)
	a := line("full", 0)
	b := line("full", 1)
	if err := o.add(a); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := o.add(b); fault.Of(err) != fault.Internal {
		t.Errorf("without a file: %v", err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	sameOwed(t, o, a)
	if err := o.add(b); err != nil {
		t.Fatal(err)
	}
	sameOwed(t, opened(t, path), a, b)
}

// TestOwedTogether: several processes add, one of them killed in between, while one
// sweeps: nothing is lost.
func TestOwedTogether(t *testing.T) {
	t.Parallel()
	const processes, each = 3, 40
	path := filepath.Join(t.TempDir(), "owed")
	o := opened(t, path)
	var adding sync.WaitGroup
	told := make([][]tree.Entry, processes)
	for p := range processes {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOwedChild$")
		child.Env = append(os.Environ(), "OWED_CHILD="+path, fmt.Sprint("OWED_NAME=c", p))
		out, err := child.StdoutPipe()
		if err == nil {
			err = child.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		adding.Go(func() {
			for n := 0; ; n++ {
				var i int
				if _, err := fmt.Fscanf(out, "added %d\n", &i); err != nil {
					break
				}
				e := line(fmt.Sprint("c", p), i)
				told[p] = append(told[p], e)
				if p == 0 && n == each/2 {
					child.Process.Kill()
				}
			}
			child.Wait() //nolint:errcheck // it was killed
		})
	}
	var ours, dropped []tree.Entry
	for i := range each {
		e := line("own", i)
		if err := o.add(e); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			ours = append(ours, e)
			continue
		}
		o.drop(e)
		dropped = append(dropped, e)
		if err := o.sweep(); err != nil {
			t.Fatal(err)
		}
	}
	adding.Wait()
	all, err := opened(t, path).all()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range slices.Concat(append(told, ours)...) {
		if !slices.Contains(all, e) {
			t.Errorf("%s is lost", e.Key)
		}
	}
	for _, e := range dropped {
		if slices.Contains(all, e) {
			t.Errorf("%s is still there", e.Key)
		}
	}
	if n := len(told[1]); n != each {
		t.Errorf("a process added %d, want %d", n, each)
	}
}

// TestOwedChild is the other process of TestOwedTogether.
func TestOwedChild(t *testing.T) {
	path := os.Getenv("OWED_CHILD")
	if path == "" {
		return
	}
	o := opened(t, path)
	for i := range 40 {
		e := line(os.Getenv("OWED_NAME"), i)
		if err := o.add(e); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("added %d\n", i)
	}
}
