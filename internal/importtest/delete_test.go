package importtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// removes are the names by which an object of a sink is removed.
var removes = []string{"DeleteObject", "Deleter"}

// mayRemove are the packages that use them: the sinks themselves, and retention,
// which alone calls them.
var mayRemove = []string{"archive/retention", "sink", "sink/local", "sink/oss", "sink/s3", "sink/sinktest"}

// TestDeletes: nothing but archive/retention removes objects from a sink.
func TestDeletes(t *testing.T) {
	t.Parallel()
	callers := make(map[string]bool)
	err := fs.WalkDir(os.DirFS(filepath.Join("..", "..")), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", name), nil, 0)
		if err != nil {
			return err
		}
		for _, used := range removalsIn(f) {
			if pkg := path.Dir(name); !slices.Contains(mayRemove, pkg) {
				t.Errorf("%s uses %s", name, used)
			} else {
				callers[pkg] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range []string{"archive/retention", "sink", "sink/s3", "sink/oss"} {
		if !callers[pkg] {
			t.Errorf("%s uses none of them: the test does not see what it should", pkg)
		}
	}
}

// removalsIn returns what a file names of removals: a method of that name, whatever
// it is of, and sink.Delete.
func removalsIn(f *ast.File) (used []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		of, _ := s.X.(*ast.Ident)
		if slices.Contains(removes, s.Sel.Name) || s.Sel.Name == "Delete" && of != nil && of.Name == "sink" {
			used = append(used, s.Sel.Name)
		}
		return true
	})
	return used
}

// TestRemovalsIn: the rule sees every way there is.
func TestRemovalsIn(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]int{
		"sink.Delete(ctx, s, key)":               1,
		"s.DeleteObject(ctx, key)":               1,
		"s.(sink.Deleter).DeleteObject(c, key)":  2,
		"f := s.DeleteObject; f(ctx, key)":       1,
		"delete(m, key); slices.Delete(s, 0, 1)": 0,
		"s.Put(ctx, key, c)":                     0,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x; func f() { "+source+" }", 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := removalsIn(f); len(got) != want {
			t.Errorf("%s: %q", source, got)
		}
	}
}
