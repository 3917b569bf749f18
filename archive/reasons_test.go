package archive

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/fault"
)

// told returns the first two cells of each row of the table in a chapter of the
// docs/reasons.md.
func told(t *testing.T, chapter string) (rows [][2]string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", "reasons.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "\n## "+chapter+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\| .{20,} \\|$").FindAllStringSubmatch(text, -1) {
		rows = append(rows, [2]string{m[1], m[2]})
	}
	return rows
}

// TestPageHasEveryReason: docs/reasons.md says of each reason what to do, and
// rightly what packseal does.
func TestPageHasEveryReason(t *testing.T) {
	t.Parallel()
	scheduled := []fault.Reason{fault.Overlap, fault.Missed, fault.Absent} // no attempt fails with these
	var want [][2]string
	for _, r := range fault.Reasons() {
		does := "waits"
		switch {
		case permanent(r), slices.Contains(scheduled, r):
			does = "gap"
		case r.Transient():
			does = "passes"
		}
		want = append(want, [2]string{string(r), does})
	}
	if diff := cmp.Diff(want, told(t, "Reasons")); diff != "" {
		t.Errorf("- fault.Reasons, + docs/reasons.md: %s", diff)
	}
}

// TestPageHasEveryKind: docs/reasons.md says of each kind of problem what to do,
// and names the alert that the rules raise for it.
func TestPageHasEveryKind(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile(filepath.Join("..", "deploy", "prometheus", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	alerts := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?s)alert: PacksealVerify(\w+)\n.*?packseal_verify_problems\{kind=~"([\w|]+)"`).FindAllSubmatch(rules, -1) {
		for kind := range strings.SplitSeq(string(m[2]), "|") {
			alerts[kind] = strings.ToLower(string(m[1]))
		}
	}
	var want [][2]string
	for _, k := range Kinds() {
		want = append(want, [2]string{string(k), alerts[string(k)]})
	}
	if diff := cmp.Diff(want, told(t, "Problems")); diff != "" {
		t.Errorf("- Kinds and rules, + docs/reasons.md: %s", diff)
	}
}
