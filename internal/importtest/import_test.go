// Package importtest holds the rule of which package may import which.
package importtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the path that every package of this tree begins with.
const module = "packseal.example"

// rule is what a package may import of this module.
type rule struct {
	only    bool // else the internals that all may import, too
	imports []string
}

// rules reads rules.txt.
func rules(t *testing.T) map[string]rule {
	t.Helper()
	text, err := os.ReadFile("rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	rules := make(map[string]rule)
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if _, twice := rules[words[0]]; twice || len(words) < 2 || words[1] != "+" && words[1] != "=" {
			t.Fatalf("rules.txt: not readable, or there twice: %s", line)
		}
		rules[words[0]] = rule{only: words[1] == "=", imports: words[2:]}
	}
	internals := rules["internals"].imports
	delete(rules, "internals")
	for pkg, r := range rules {
		if !r.only {
			rules[pkg] = rule{imports: slices.Concat(r.imports, internals)}
		}
	}
	return rules
}

func TestImports(t *testing.T) {
	t.Parallel()
	found, rules := imports(t), rules(t)
	for pkg, imported := range found {
		rule, ok := rules[pkg]
		if !ok {
			t.Errorf("%s is not in rules.txt: say there what it may import", pkg)
			continue
		}
		for _, to := range imported {
			if !slices.Contains(rule.imports, to) {
				t.Errorf("%s imports %s", pkg, to)
			}
		}
	}
	for pkg := range rules {
		if _, ok := found[pkg]; !ok {
			t.Errorf("%s is in rules.txt but not in the tree", pkg)
		}
	}
}

// TestRules asks the rules themselves, so that no edit of it lets the rooms grow
// together unseen.
func TestRules(t *testing.T) {
	t.Parallel()
	rooms := []string{"scheduler", "fetcher", "sink"}
	room := func(pkg string) string { top, _, _ := strings.Cut(pkg, "/"); return top }
	rules := rules(t)
	for from, rule := range rules {
		for to := range rules {
			if !slices.Contains(rule.imports, to) {
				continue
			}
			apart := slices.Contains(rooms, room(from)) && room(to) != room(from) && room(to) != "internal"
			up := room(from) == "archive" && room(to) != "archive" && !slices.Contains(rooms, room(to)) && room(to) != "internal"
			if apart || up {
				t.Errorf("rules.txt lets %s import %s", from, to)
			}
			if room(to) == "cmd" {
				t.Errorf("rules.txt lets %s import the program", from)
			}
			if room(to) == "test" && room(from) != "test" {
				t.Errorf("rules.txt lets %s import %s, which is for tests alone", from, to)
			}
		}
	}
}

// imports returns what each package's own files import of this module.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	root := os.DirFS(filepath.Join("..", ".."))
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(name)
		found[pkg] = append(found[pkg], ours(f.Imports)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ours returns the paths that lie in this module, without its name.
func ours(specs []*ast.ImportSpec) (paths []string) {
	for _, spec := range specs {
		if p, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module+"/"); ok {
			paths = append(paths, p)
		}
	}
	return paths
}

// TestOffline: what a verifier is built on can't reach a network or run a program,
// whatever it imports. crypto/x509 imports net, for the forms of addresses.
func TestOffline(t *testing.T) {
	t.Parallel()
	for pkg, forbidden := range map[string][]string{
		"archive/audit":                      {"net", "os/exec", "plugin"},
		"archive/ledger/slate":               {"net", "os/exec", "plugin"},
		"archive/ledger/tree":                {"net", "os/exec", "plugin"},
		"archive/ledger/stamp":               {"net/http", "os/exec", "plugin"},
		"archive/ledger/witness/cosignature": {"net", "os/exec", "plugin"},
	} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", module+"/"+pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := strings.Fields(string(out))
		if !slices.Contains(deps, module+"/internal/fault") {
			t.Errorf("go list says %s", out)
		}
		for _, f := range forbidden {
			if slices.Contains(deps, f) {
				t.Errorf("%s imports %s", pkg, f)
			}
		}
	}
}
