package docstest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packseal.example/internal/fault"
	"packseal.example/internal/i18n"
)

// TestReasons: the auditor's page has the reasons of gaps, and the officer's page has
// them as the page says them, with the states of packs as the page names them.
func TestReasons(t *testing.T) {
	t.Parallel()
	gaps := []fault.Reason{fault.NotFound, fault.Deadline, fault.Overlap, fault.Missed, fault.Absent, fault.Paused}
	auditor := strings.Join(firstColumn(t, "docs/auditor.md", "reason"), " ")
	for _, r := range append(gaps, fault.Request) {
		if !strings.Contains(auditor, "`"+string(r)+"`") {
			t.Errorf("docs/auditor.md does not say of %s", r)
		}
	}
	for _, l := range []struct {
		page, column, states, source string
		reasons                      map[fault.Reason]string
	}{
		{"docs/officer.md", "reason in words", "state", "web/english.go", i18n.EnglishReasons()},
		{"docs/officer.zh-CN.md", "原因的文字", "状态", "web/chinese.go", i18n.ChineseReasons()},
	} {
		said := firstColumn(t, l.page, l.column)
		for _, r := range gaps {
			if !slices.Contains(said, l.reasons[r]) {
				t.Errorf("%s does not say of %s: %s", l.page, r, l.reasons[r])
			}
		}
		source, err := os.ReadFile(filepath.Join(root, l.source))
		if err != nil {
			t.Fatal(err)
		}
		states := firstColumn(t, l.page, l.states)
		if len(states) != 6 {
			t.Errorf("%s has the states %q", l.page, states)
		}
		for _, state := range states {
			if !strings.Contains(string(source), `: "`+state+`"`) {
				t.Errorf("%s has a state %q, which %s has not", l.page, state, l.source)
			}
		}
	}
}

// firstColumn returns the first cells of the rows of a table, which is the first
// one with that heading over its first column.
func firstColumn(t *testing.T, name, heading string) (cells []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(b), "\n| "+heading+" |")
	if !found {
		t.Fatalf("%s has no table with the column %q", name, heading)
	}
	for _, line := range strings.Split(table, "\n")[2:] {
		row, ok := strings.CutPrefix(line, "| ")
		if !ok {
			break
		}
		cell, _, _ := strings.Cut(row, " |")
		cells = append(cells, cell)
	}
	return cells
}
