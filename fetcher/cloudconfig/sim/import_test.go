package sim_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestIndependent: the package imports no other package of this module; its tests
// only import the package.
func TestIndependent(t *testing.T) {
	t.Parallel()
	const module, self = "packseal.example/", "packseal.example/fetcher/cloudconfig/sim"
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source found: %v", err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			if strings.HasPrefix(path, module) && (path != self || !strings.HasSuffix(file, "_test.go")) {
				t.Errorf("%s imports %s", file, path)
			}
		}
	}
}
