package table

import (
	"fmt"
	"strings"
	"testing"
)

func TestAligned(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	w := New(&out, "NAME", "STATE")
	for _, name := range []string{"MLPS", "等保三级", "ｆｕｌｌ", "cafe\u0301", "tab\there\x1b[1m"} {
		if err := w.Row(name, "sealed"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "NAME          STATE\nMLPS          sealed\n等保三级      sealed\nｆｕｌｌ      sealed\ncafe\u0301          sealed\ntab here [1m  sealed\n"
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
	for line := range strings.Lines(out.String()) {
		if cells := Width(line[:strings.LastIndexByte(line, ' ')+1]); cells != 14 {
			t.Errorf("the second column begins at %d in %q", cells, line)
		}
	}
}

// TestLong: a long table is printed as it comes.
func TestLong(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	w := New(&out, "N")
	for i := range 3 * batch {
		if err := w.Row(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(out.String(), "\n"); lines < i-batch {
			t.Fatalf("after %d rows %d are printed", i, lines)
		}
	}
	if err := w.Flush(); err != nil || strings.Count(out.String(), "\n") != 3*batch+1 {
		t.Errorf("printed %d lines, %v", strings.Count(out.String(), "\n"), err)
	}
}

// TestHead: a column that comes later has a head, if the heads are not printed yet.
func TestHead(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	w := New(&out, "A")
	for _, cells := range [][]string{{"1"}, {"22", "x"}} {
		if err := w.Row(cells...); err != nil {
			t.Fatal(err)
		}
	}
	w.Head("B")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	w.Head("C")
	if err := w.Flush(); err != nil || out.String() != "A   B\n1\n22  x\n" {
		t.Errorf("printed %q, %v", out.String(), err)
	}
}
