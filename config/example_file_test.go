package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"packseal.example/config/strictyaml"
)

// update writes the files that follow from others instead of comparing them:
// go test ./config -update
var update = flag.Bool("update", false, "write config.example.yaml, config.schema.json and the golden files")

// generated compares a file that follows from others, or writes it.
func generated(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not up to date: run go test ./config -update", file)
	}
}

func TestExampleIsTheOneAtTheTop(t *testing.T) {
	t.Parallel()
	generated(t, "../config.example.yaml", Example())
}

func TestExampleLoads(t *testing.T) {
	t.Parallel()
	c, warnings, err := Load("../config.example.yaml")
	if err != nil || len(warnings) > 0 {
		t.Fatalf("warnings %v\n%v", warnings, err)
	}
	if len(c.Entries()) != 2 || c.Entries()[1].Key() != "ca-f632626622af00790000/cp-a8a8626622af00820000" {
		t.Errorf("entries: %+v", c.Entries())
	}
}

// full puts every setting of the example in force.
func full() []byte {
	return regexp.MustCompile(`(?m)^( *)#([a-z-])`).ReplaceAll(Example(), []byte("$1$2"))
}

func TestFullExampleDecodes(t *testing.T) {
	t.Parallel()
	if faults := decode("full.yaml", full()).doc.Faults; len(faults) > 0 {
		t.Fatal(faults)
	}
}

// No field of any struct may be missing from the example, and none may lack
// its key.
func TestFullExampleShowsEveryField(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	var doc yaml.Node
	if err := yaml.Unmarshal(full(), &doc); err != nil {
		t.Fatal(err)
	}
	nodePaths("", doc.Content[0], shown)
	fields := 0
	for path := range fieldPaths(t, "", reflect.TypeFor[Config]()) {
		fields++
		if !matches(shown, path) {
			t.Errorf("example.yaml does not show %s", path)
		}
	}
	if fields < 60 {
		t.Errorf("only %d fields were looked for", fields)
	}
}

// fieldPaths returns the path of every field, "*" standing for a map's keys
// and a list's items.
func fieldPaths(t *testing.T, path string, typ reflect.Type) map[string]bool {
	t.Helper()
	paths := map[string]bool{}
	switch typ.Kind() {
	case reflect.Pointer:
		return fieldPaths(t, path, typ.Elem())
	case reflect.Map, reflect.Slice:
		return fieldPaths(t, path+".*", typ.Elem())
	case reflect.Struct:
		if typ == reflect.TypeFor[time.Time]() {
			return paths
		}
		keyed := map[int]bool{}
		for key, i := range strictyaml.Fields(typ) {
			keyed[i] = true
			paths[path+"."+key] = true
			for p := range fieldPaths(t, path+"."+key, typ.Field(i).Type) {
				paths[p] = true
			}
		}
		for i := range typ.NumField() {
			if f := typ.Field(i); f.IsExported() && !keyed[i] {
				t.Errorf("%s.%s has no yaml key", typ, f.Name)
			}
		}
	}
	return paths
}

// nodePaths notes the paths that the document has.
func nodePaths(path string, n *yaml.Node, into map[string]bool) {
	into[path] = true
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			nodePaths(path+"."+n.Content[i].Value, n.Content[i+1], into)
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			nodePaths(fmt.Sprintf("%s.%d", path, i), item, into)
		}
	}
}

// matches reports whether one of the paths fits the pattern.
func matches(paths map[string]bool, pattern string) bool {
	re := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `[^.]+`) + "$")
	for p := range paths {
		if re.MatchString(p) {
			return true
		}
	}
	return false
}
