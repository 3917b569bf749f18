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

// internals may be imported from everywhere but where a rule says less.
var internals = []string{"internal/atomicfile", "internal/certfile", "internal/evidence", "internal/fault", "internal/flock", "internal/i18n", "internal/egress", "internal/diag", "internal/guard", "internal/journald", "internal/metric", "internal/period", "internal/ram", "internal/secret", "internal/table", "internal/trace", "internal/units"}

// rules say what each package may import of this module beyond internals.
// A package that is not here fails the test: whoever adds one decides where
// it stands.
var rules = map[string][]string{
	"cmd/packseal": {
		"daemon", "doctor", "web", "config", "config/strictyaml", "control", "archive", "archive/catalog", "archive/ledger", "archive/retention", "notify", "scheduler/queue", "scheduler/replica", "sink",
		"internal/otlp",
		"fetcher/cloudconfig/sim", // for the demo and the sim verb
	},
	"daemon":  {"config/strictyaml", "web", "config", "control", "archive", "archive/catalog", "archive/ledger", "archive/retention", "archive/plans", "notify", "scheduler", "scheduler/queue", "scheduler/replica", "fetcher", "fetcher/discovery", "sink"},
	"doctor":  {"archive/ledger", "web", "config", "notify", "scheduler/queue", "fetcher", "fetcher/discovery", "sink"},
	"web":     {},
	"control": {"archive/catalog", "scheduler/queue", "scheduler/replica"},
	"config": {
		"config/strictyaml",
		"archive", "archive/ledger", "archive/ledger/tree", "scheduler", "scheduler/queue", "fetcher", "fetcher/cloudconfig", "fetcher/discovery",
		"sink", "sink/local", "sink/oss", "sink/s3",
		"notify", "notify/dingtalk", "notify/feishu", "notify/mail", "notify/ntfy", "notify/pagerduty", "notify/ping", "notify/slack",
		"notify/teams", "notify/telegram", "notify/webhook", "notify/wecom",
	},
	"config/strictyaml":   nil, // it knows nothing of packseal
	"notify":              {"scheduler"},
	"notify/post":         {"notify"},
	"notify/dingtalk":     {"notify", "notify/post"},
	"notify/feishu":       {"notify", "notify/post"},
	"notify/mail":         {"notify", "notify/post"},
	"notify/ntfy":         {"notify", "notify/post"},
	"notify/pagerduty":    {"notify", "notify/post"},
	"notify/ping":         {"notify", "notify/post"},
	"notify/slack":        {"notify", "notify/post"},
	"notify/teams":        {"notify", "notify/post"},
	"notify/telegram":     {"notify", "notify/post"},
	"notify/webhook":      {"notify", "notify/post"},
	"notify/wecom":        {"notify", "notify/post"},
	"archive":             {"archive/catalog", "archive/ledger/tree", "archive/plans", "scheduler", "fetcher", "sink"},
	"archive/catalog":     {},
	"archive/plans":       {"scheduler"},
	"archive/ledger":      {"archive/ledger/tree", "sink"},
	"archive/ledger/tree": nil,
	"archive/retention":   {"archive", "archive/ledger", "archive/ledger/tree", "sink"},
	"deploy/grafana":      nil, // it knows metrics by their names alone, and is a module of its own
	"scheduler":           {},
	"scheduler/queue":     {"scheduler", "scheduler/replica"},
	"scheduler/replica":   {},
	"fetcher":             {},
	"fetcher/cloudconfig": {"fetcher"},
	"fetcher/discovery":   {"fetcher"},
	"sink":                {},
	"sink/local":          {"sink"},
	"sink/bucket":         {"sink"},
	"sink/oss":            {"sink", "sink/bucket"},
	"sink/s3":             {"sink", "sink/bucket"},
	"sink/sinktest":       {"sink"},
	// The simulator shares nothing with the client, so that a fault of the
	// client's can't hide in it: not even the internals.
	"fetcher/cloudconfig/sim":    nil,
	"sink/oss/ossfake":           nil, // likewise, with the sink
	"notify/notifytest":          nil, // likewise, with the channels
	"internal/atomicfile":        nil,
	"internal/certfile":          nil,
	"internal/certfile/certtest": nil,
	"internal/evidence":          nil,
	"internal/fault":             nil,
	"internal/flock":             nil,
	"internal/i18n":              nil,
	"internal/guard":             nil,
	"internal/journald":          nil,
	"internal/metric":            nil,
	"internal/otlp":              nil,
	"internal/otlp/otlptest":     nil,
	"internal/diag":              nil,
	"internal/period":            nil,
	"internal/ram":               nil,
	"internal/ram/ramtest":       nil,
	"internal/secret":            nil,
	"internal/table":             nil,
	"internal/trace":             nil,
	"internal/egress":            nil,
	"internal/units":             nil,
	"deploy/helm/sync":           nil,
	"test/lab":                   nil,
	"test/openapi":               nil,
}

// bare are the packages that may not import all internals.
var bare = map[string][]string{
	"fetcher/cloudconfig/sim": {},
	"deploy/grafana":          {},
	"deploy/helm/sync":        {},
	"config/strictyaml":       {"internal/units"},
	"test/lab":                {"fetcher/cloudconfig/sim"}, // what it reads is read by none of the program's code
	"test/openapi":            {},
	"sink/oss/ossfake":        {},
	"notify/notifytest":       {},
	"archive/ledger/tree":     {"internal/evidence", "internal/fault"}, // a verifier without storage and network is built on it
	"internal/certfile":       {"internal/fault", "internal/secret"},
	"internal/evidence":       {"internal/fault"},
	"internal/atomicfile":     {},
	"internal/fault":          {},
	"internal/flock":          {},
	"internal/i18n":           {"internal/fault"},
	"internal/diag":           {"internal/fault"},
	"internal/guard":          {"internal/fault"},
	"internal/journald":       {},
	"internal/metric":         {},
	"internal/period":         {"internal/fault"},
	"internal/ram":            {"internal/fault", "internal/secret"},
	"internal/ram/ramtest":    {},
	"internal/secret":         {"internal/fault"},
	"internal/table":          {},
	"internal/trace":          {"internal/fault"},
	"internal/egress":         {"internal/fault"},
	"internal/units":          {},
}

// allowed reports whether a package may import another one of this module.
func allowed(from, to string) bool {
	if only, ok := bare[from]; ok {
		return slices.Contains(only, to)
	}
	return slices.Contains(internals, to) || slices.Contains(rules[from], to)
}

func TestImports(t *testing.T) {
	t.Parallel()
	found := imports(t)
	for pkg, imported := range found {
		if _, ok := rules[pkg]; !ok {
			t.Errorf("%s is not in the table: say there what it may import", pkg)
			continue
		}
		for _, to := range imported {
			if !allowed(pkg, to) {
				t.Errorf("%s imports %s", pkg, to)
			}
		}
	}
	for pkg := range rules {
		if _, ok := found[pkg]; !ok {
			t.Errorf("%s is in the table but not in the tree", pkg)
		}
	}
}

// TestTable asks the table itself, so that no edit of it lets the rooms grow
// together unseen.
func TestTable(t *testing.T) {
	t.Parallel()
	rooms := []string{"scheduler", "fetcher", "sink"}
	room := func(pkg string) string { top, _, _ := strings.Cut(pkg, "/"); return top }
	for from := range rules {
		for to := range rules {
			apart := slices.Contains(rooms, room(from)) && room(to) != room(from) && room(to) != "internal"
			up := room(from) == "archive" && room(to) != "archive" && !slices.Contains(rooms, room(to)) && room(to) != "internal"
			if (apart || up) && allowed(from, to) {
				t.Errorf("the table lets %s import %s", from, to)
			}
			if room(to) == "cmd" && allowed(from, to) {
				t.Errorf("the table lets %s import the program", from)
			}
			if room(to) == "test" && room(from) != "test" && allowed(from, to) {
				t.Errorf("the table lets %s import %s, which is for tests alone", from, to)
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
// whatever it imports.
func TestOffline(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", module+"/archive/ledger/tree").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "golang.org/x/mod/sumdb/tlog") {
		t.Errorf("go list says %s", out)
	}
	for _, forbidden := range []string{"net", "os/exec", "plugin"} {
		if slices.Contains(deps, forbidden) {
			t.Errorf("archive/ledger/tree imports %s", forbidden)
		}
	}
}
