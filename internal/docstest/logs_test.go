package docstest

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/logs.md")

// logCall is a log message with where and how it is logged.
type logCall struct {
	message, level string
	fields         []string // in the order of the call
	pkg            string
}

// TestLogs compares docs/logs.md with the log calls in the source: every
// message with its level, fields and packages, and no other.
func TestLogs(t *testing.T) {
	t.Parallel()
	calls := logCalls(t)
	if len(calls) < 20 {
		t.Fatalf("only %d log calls were found", len(calls))
	}
	page := filepath.Join(root, "docs", "logs.md")
	old, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile(`(?s)(<!-- logs: [^\n]*-->\n)(.*)(<!-- end of logs -->\n)`)
	if !table.Match(old) {
		t.Fatalf("%s has no place for the table", page)
	}
	updated := table.ReplaceAllFunc(old, func(all []byte) []byte {
		m := table.FindSubmatch(all)
		return slices.Concat(m[1], []byte("\n"+logTable(calls)+"\n"), m[3])
	})
	switch {
	case bytes.Equal(old, updated):
	case *update:
		if err := os.WriteFile(page, updated, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is out of date: go test ./internal/docstest -run Logs -update", page)
	}
}

// logTable returns the table: a row for each message and level, with the
// fields and packages of all its calls.
func logTable(calls []logCall) string {
	rows := make(map[[2]string]logCall)
	for _, c := range calls {
		k := [2]string{c.message, c.level}
		row, found := rows[k]
		if !found {
			rows[k] = c
			continue
		}
		for _, f := range c.fields {
			if !slices.Contains(row.fields, f) {
				row.fields = append(row.fields, f)
			}
		}
		if !slices.Contains(strings.Split(row.pkg, "`, `"), c.pkg) {
			row.pkg += "`, `" + c.pkg
		}
		rows[k] = row
	}
	var b strings.Builder
	b.WriteString("| message | level | fields | package |\n|---|---|---|---|\n")
	order := func(x, y [2]string) int { return cmp.Or(strings.Compare(x[0], y[0]), strings.Compare(x[1], y[1])) }
	for _, k := range slices.SortedFunc(maps.Keys(rows), order) {
		fields := ""
		if f := rows[k].fields; len(f) > 0 {
			fields = "`" + strings.Join(f, "` `") + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | `%s` |\n", strings.ReplaceAll(k[0], "|", `\|`), k[1], fields, rows[k].pkg)
	}
	return b.String()
}

// logCalls returns the log calls of the program, ordered by package and file.
// The simulator, tests and what is under test and deploy log for themselves.
func logCalls(t *testing.T) (calls []logCall) {
	t.Helper()
	skip := []string{"test", "deploy", "fetcher/cloudconfig/sim"}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains(skip, name) || name != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join(root, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			ast.Inspect(decl, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				level, args := logged(decl, call)
				if level == "" {
					if hidden(call) {
						t.Errorf("%s: a logger must be called log or logger, for its messages to be listed", fset.Position(call.Pos()))
					}
					return true
				}
				message := literal(args, 0)
				if message == "" {
					t.Errorf("%s: a log message must be a constant string", fset.Position(call.Pos()))
				}
				fields := append(attached(decl, call.Fun.(*ast.SelectorExpr).X), keys(args[1:])...)
				calls = append(calls, logCall{message, level, fields, filepath.ToSlash(filepath.Dir(name))})
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

var (
	levels = regexp.MustCompile(`^(Debug|Info|Warn|Error)(Context)?$`)
	logger = regexp.MustCompile(`(?i)^(log|logger|slog)$`)
)

// logged returns the level of a log call and its arguments from the message
// on, or no level if the call is not one. The level of Log is any that its
// declaration mentions.
func logged(decl ast.Decl, call *ast.CallExpr) (level string, args []ast.Expr) {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !logger.MatchString(last(f.X)) {
		return "", nil
	}
	if f.Sel.Name == "Log" && len(call.Args) > 2 {
		return mentioned(decl), call.Args[2:]
	}
	m := levels.FindStringSubmatch(f.Sel.Name)
	if m == nil {
		return "", nil
	}
	args = call.Args
	if m[2] != "" {
		args = args[1:]
	}
	return strings.ToLower(m[1]), args
}

// hidden reports whether a call that logged does not know logs all the same.
func hidden(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	return ok && last(f.X) != "t" && levels.MatchString(f.Sel.Name) && (strings.HasSuffix(f.Sel.Name, "Context") || literal(call.Args, 0) != "")
}

// mentioned returns the levels that a declaration mentions.
func mentioned(decl ast.Decl) string {
	var names []string
	ast.Inspect(decl, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && last(s.X) == "slog" {
			if name, ok := strings.CutPrefix(s.Sel.Name, "Level"); ok && name != "" {
				names = append(names, strings.ToLower(name))
			}
		}
		return true
	})
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " or ")
}

// last returns the last name of a.b.c, and of a.b.c.With(…).
func last(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	case *ast.CallExpr:
		if with, ok := x.Fun.(*ast.SelectorExpr); ok && with.Sel.Name == "With" {
			return last(with.X)
		}
	}
	return ""
}

// attached returns the fields that With attaches to a logger within the
// declaration.
func attached(decl ast.Decl, x ast.Expr) (fields []string) {
	name := last(x)
	ast.Inspect(decl, func(n ast.Node) bool {
		assign, ok := n.(*ast.AssignStmt)
		if !ok || len(assign.Lhs) != 1 || last(assign.Lhs[0]) != name {
			return true
		}
		if call, ok := assign.Rhs[0].(*ast.CallExpr); ok && last(call) != "" {
			fields = append(fields, keys(call.Args)...)
		}
		return true
	})
	if call, ok := x.(*ast.CallExpr); ok {
		fields = append(fields, keys(call.Args)...)
	}
	return fields
}

// keys returns the keys among alternating keys and values.
func keys(args []ast.Expr) (fields []string) {
	for i := 0; i < len(args); i += 2 {
		if k := literal(args, i); k != "" {
			fields = append(fields, k)
		}
	}
	return fields
}

// literal returns the string literal at an index, or "".
func literal(args []ast.Expr, i int) string {
	if i < len(args) {
		if lit, ok := args[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			s, _ := strconv.Unquote(lit.Value)
			return s
		}
	}
	return ""
}
