// Package docstest checks the documents against one another and against the tree.
package docstest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var root = filepath.Join("..", "..")

// document is the part of a Markdown page that can be compared and followed.
type document struct {
	headings []string // with their #
	commands []string // the lines of code blocks, without their comments
	json     []string // whole blocks
	links    []string
	rows     []int    // the columns of each row of a table
	names    []string // in `code` outside of blocks
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	beside  = regexp.MustCompile(`(^|\s+)#.*$|\s{3,}.*$`)
	between = regexp.MustCompile(`<[^>]*>`)
	code    = regexp.MustCompile("`([^`]+)`")
)

// read parses a page.
func read(t *testing.T, name string) (d document) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	fence := ""
	var block, prose strings.Builder
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\n")
		switch mark, fenced := strings.CutPrefix(line, "```"); {
		case fenced && fence == "":
			fence = "fence " + mark
			block.Reset()
		case fenced:
			if fence == "fence json" {
				d.json = append(d.json, block.String())
			}
			fence = ""
		case fence != "" || strings.HasPrefix(line, "    "):
			block.WriteString(line + "\n")
			if c := beside.ReplaceAllString(strings.TrimSpace(line), ""); c != "" {
				d.commands = append(d.commands, between.ReplaceAllString(c, "<>"))
			}
		case strings.HasPrefix(line, "#"):
			d.headings = append(d.headings, line)
		default:
			if strings.HasPrefix(line, "|") {
				d.rows = append(d.rows, strings.Count(line, "|")-1)
			}
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				d.links = append(d.links, m[1])
			}
			prose.WriteString(line + " ")
		}
	}
	for _, m := range code.FindAllStringSubmatch(prose.String(), -1) {
		d.names = append(d.names, m[1])
	}
	return d
}

// pages are the documents of the tree.
func pages(t *testing.T) (names []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "deploy/*/*.md", "deploy/*/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			name, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, filepath.ToSlash(name))
		}
	}
	return names
}

// TestLinks: links within the tree lead to an existing file and heading.
func TestLinks(t *testing.T) {
	t.Parallel()
	followed := 0
	for _, name := range pages(t) {
		for _, l := range read(t, name).links {
			if strings.Contains(l, "://") {
				continue
			}
			followed++
			if err := follow(t, name, l); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if followed < 50 {
		t.Errorf("only %d links were followed", followed)
	}
}

// follow checks that the target of a link exists.
func follow(t *testing.T, from, link string) error {
	t.Helper()
	file, anchor, anchored := strings.Cut(link, "#")
	target := path.Join(path.Dir(from), file)
	if file == "" {
		target = from
	}
	if _, err := os.Stat(filepath.Join(root, target)); err != nil {
		return fmt.Errorf("%s does not exist", link)
	}
	if anchored && !slices.ContainsFunc(read(t, target).headings, func(h string) bool { return slug(h) == anchor }) {
		return fmt.Errorf("%s has no heading %s", target, anchor)
	}
	return nil
}

// slug is a heading's anchor, as GitHub and others make it.
func slug(heading string) string {
	text := strings.TrimSpace(strings.TrimLeft(heading, "#"))
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

// TestPolicies: every JSON block is valid, and no policy allows deletion or
// every action.
func TestPolicies(t *testing.T) {
	t.Parallel()
	allows := regexp.MustCompile(`Delete|"(\w+:)?\*"`)
	statements := 0
	for _, name := range pages(t) {
		for _, block := range read(t, name).json {
			if strings.HasPrefix(block, "[") { // statements that can be added to one
				block = `{"Statement": ` + block + `}`
			}
			var policy struct {
				Statement []struct {
					Effect string
					Action json.RawMessage
				}
			}
			if err := json.Unmarshal([]byte(block), &policy); err != nil {
				t.Errorf("%s: %v in\n%s", name, err, block)
			}
			for _, s := range policy.Statement {
				statements++
				if s.Effect != "Allow" || allows.Match(s.Action) {
					t.Errorf("%s: a policy has %s %s", name, s.Effect, s.Action)
				}
			}
		}
	}
	if statements < 8 {
		t.Errorf("only %d statements of policies were found", statements)
	}
}

// TestNamedTests: tests that pages name exist, in the package that they name.
func TestNamedTests(t *testing.T) {
	t.Parallel()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w*)\(`)
	within := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)` in `([a-z0-9/]+)`")
	there := make(map[string]bool)
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		source, err := os.ReadFile(filepath.Join(root, name))
		for _, m := range declared.FindAllSubmatch(source, -1) {
			there[string(m[1])], there[path.Dir(name)+" "+string(m[1])] = true, true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	test, named := regexp.MustCompile(`^(Test|Fuzz|Benchmark)[A-Z]\w*$`), 0
	for _, page := range pages(t) {
		for _, name := range read(t, page).names {
			if !test.MatchString(name) {
				continue
			}
			named++
			if !there[name] {
				t.Errorf("%s: there is no %s", page, name)
			}
		}
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range within.FindAllSubmatch(text, -1) {
			if !there[string(m[2])+" "+string(m[1])] {
				t.Errorf("%s: there is no %s in %s", page, m[1], m[2])
			}
		}
	}
	if named < 40 {
		t.Errorf("only %d tests are named", named)
	}
}

// TestAttacksNameTests: what an attack on the ledger meets is held by a test.
func TestAttacksNameTests(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(b), "\n| who | does what |")
	rows := 0
	for line := range strings.Lines(table) {
		switch {
		case strings.HasPrefix(line, "| ") && !strings.Contains(line, "`Test"):
			t.Errorf("docs/security.md names no test for %s", line)
		case strings.HasPrefix(line, "| "):
			rows++
		case line == "\n" && rows > 0:
			if rows < 15 {
				t.Errorf("only %d attacks were found", rows)
			}
			return
		}
	}
	t.Error("the table has no end")
}
