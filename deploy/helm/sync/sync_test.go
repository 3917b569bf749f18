package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../../.."

// same holds a part of the chart to what it should be.
func same(t *testing.T, part string, make func(root, part string) ([]byte, error)) {
	t.Helper()
	want, err := make(root, part)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, chart, part))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is out of date: run go run ./deploy/helm/sync\n%s", part, diff)
	}
}

func TestCopies(t *testing.T) {
	t.Parallel()
	for part, original := range copies {
		t.Run(filepath.Base(part), func(t *testing.T) {
			t.Parallel()
			_, err := os.Stat(filepath.Join(root, original))
			if errors.Is(err, fs.ErrNotExist) && os.Getenv("PACKSEAL_CI") == "" {
				t.Skipf("%s is not in this tree", original)
			}
			same(t, part, copied)
		})
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	same(t, "values.schema.json", schema)
}

func TestReadme(t *testing.T) {
	t.Parallel()
	same(t, "README.md", readme)
}

func TestTabulate(t *testing.T) {
	t.Parallel()
	got, err := tabulate([]byte("# About this file.\n\n# A word,\n# or two: a|b of <c>, *d.\na: x\nb:\n  # Deep.\n  c: [1, {d: e}]\n# Whole.\nf: {g: 1, h: {i: \"\"}}\n"))
	want := "\n| key | default | |\n|---|---|---|\n" +
		"| `a` | `\"x\"` | A word, or two: a\\|b of &lt;c>, \\*d. |\n" +
		"| `b.c` | `[1,{\"d\":\"e\"}]` | Deep. |\n" +
		"| `f` | `{\"g\":1,\"h\":{\"i\":\"\"}}` | Whole. |\n\n"
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for values, want := range map[string]string{
		"# x\na: 1\nb: 2\n":           "values.yaml:3: b has no comment",
		"b:\n  # x\n  c: 1\n  d: 2\n": "values.yaml:4: b.d has no comment",
		"a: [\n":                      "did not find expected",
	} {
		if _, err := tabulate([]byte(values)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", values, err, want)
		}
	}
}

// TestWrite: on a copy of the chart, writing restores what was changed.
func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"config.schema.json", chart + "/values.yaml", chart + "/values.schema.json", chart + "/README.md"} {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, name), string(b))
	}
	for part, original := range copies {
		put(t, filepath.Join(dir, original), "original")
		put(t, filepath.Join(dir, chart, part), "old")
	}
	path := filepath.Join(dir, "config.schema.json")
	put(t, path, `{"type": "object", "properties": {"new": {}}, "$defs": {"other": {"type": "string"}}}`)
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	for part := range copies {
		if got := get(t, filepath.Join(dir, chart, part)); got != "original" {
			t.Errorf("%s is %q", part, got)
		}
	}
	got := get(t, filepath.Join(dir, chart, "values.schema.json"))
	if !strings.Contains(got, `"new": {}`) || !strings.Contains(got, `"other": {`) || !strings.Contains(got, `"existingConfigMap"`) {
		t.Errorf("the schema is %s", got)
	}
	put(t, path, "{")
	if err := write(dir); err == nil || !strings.Contains(err.Error(), "reading config.schema.json") {
		t.Errorf("a broken schema: %v", err)
	}
}

// TestBooleans: the schema takes what Helm makes of words that are not in quotes,
// and a new one is not overlooked.
func TestBooleans(t *testing.T) {
	t.Parallel()
	defs := map[string]json.RawMessage{
		"config.Notice": json.RawMessage(`{"type": "object", "properties": {"on": {"type": "array"}, "name": {"type": "string"}}, "required": ["name", "on"]}`),
		"s3.Options":    json.RawMessage(`{"properties": {"conditional_writes": {"type": "string", "enum": ["required", "off"]}}}`),
		"other":         json.RawMessage(`{"type": "string"}`),
	}
	if err := booleans(defs); err != nil {
		t.Fatal(err)
	}
	want := map[string]json.RawMessage{
		"config.Notice": json.RawMessage(`{"properties":{"name":{"type":"string"},"on":{"type":"array"},"true":{"type":"array"}},"required":["name"],"type":"object"}`),
		"s3.Options":    json.RawMessage(`{"properties":{"conditional_writes":{"enum":["required","off",false]}}}`),
		"other":         defs["other"],
	}
	if diff := cmp.Diff(want, defs); diff != "" {
		t.Error(diff)
	}
	for _, def := range []string{`{"properties": {"yes": {}}}`, `{"properties": {"mode": {"enum": ["no", "some"]}}}`} {
		if err := booleans(map[string]json.RawMessage{"x.Y": json.RawMessage(def)}); err == nil || !strings.Contains(err.Error(), "x.Y.") {
			t.Errorf("%s: %v", def, err)
		}
	}
}

func put(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
