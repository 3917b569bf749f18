//go:build man

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestManPages asks each page for every word that its verb says of itself:
// the way there leads through Markdown, where words get lost.
func TestManPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var stderr strings.Builder
	if code := run(t.Context(), []string{"man", "--dir", dir, "--date", "2026-01-02"}, &stderr, &stderr); code != 0 {
		t.Fatalf("man ended with %d: %s", code, stderr.String())
	}
	verbs := documented(newRoot())
	if len(verbs) < 11 {
		t.Fatalf("only %d verbs have pages", len(verbs))
	}
	for _, c := range verbs {
		page := plain(t, filepath.Join(dir, "packseal-"+c.Name()+".1"))
		said := []string{c.UseLine(), c.Short, c.Long, c.Example, "2026"}
		c.Flags().VisitAll(func(f *pflag.Flag) { said = append(said, "--"+f.Name, f.Usage) })
		lacks(t, c, page, said)
	}
	page := plain(t, filepath.Join(dir, "packseal.1"))
	said := []string{"EXIT STATUS", "75", "FILES", "/etc/packseal/packseal.yaml"}
	for _, c := range verbs {
		said = append(said, "packseal-"+c.Name()+"(1)", c.Short)
	}
	lacks(t, newRoot(), page, said)
}

func TestManNeedsDate(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	if code := run(t.Context(), []string{"man", "--dir", t.TempDir()}, &stderr, &stderr); code != exitUsage {
		t.Errorf("man without a date ended with %d: %s", code, stderr.String())
	}
}

// plain returns a page without roff's escapes.
func plain(t *testing.T, path string) string {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`\fB`, "", `\fP`, "", `\fI`, "", `\fR`, "", `\e`, `\`, `\-`, "-", `\&`, "").Replace(string(page))
}

// lacks fails the test for every word of what was said that page has not.
func lacks(t *testing.T, c *cobra.Command, page string, said []string) {
	t.Helper()
	for _, text := range said {
		for _, word := range strings.Fields(text) {
			if !strings.Contains(page, word) {
				t.Errorf("the page of %s lacks %q of %q", c.CommandPath(), word, text)
			}
		}
	}
}
