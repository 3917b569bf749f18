package docstest

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const chinese = ".zh-CN.md"

// TestTranslations: a page in Chinese has the chapters, commands, JSON, tables,
// links and names in code of the English one, and the two begin with a link to
// each other. Only the order of links and names may differ.
func TestTranslations(t *testing.T) {
	t.Parallel()
	translated := 0
	for _, name := range pages(t) {
		base, ok := strings.CutSuffix(name, chinese)
		if !ok {
			continue
		}
		translated++
		t.Run(path.Base(base), func(t *testing.T) {
			t.Parallel()
			compare(t, base+".md", name)
		})
	}
	if translated < 6 {
		t.Errorf("only %d pages in Chinese were found", translated)
	}
}

// compare reports where the page in Chinese differs from the English one.
func compare(t *testing.T, english, chinese string) {
	t.Helper()
	en, zh := read(t, english), read(t, chinese)
	if len(en.links) == 0 || len(zh.links) == 0 || en.links[0] != path.Base(chinese) || zh.links[0] != path.Base(english) {
		t.Fatalf("the two do not begin with a link to each other")
	}
	for what, diff := range map[string]string{
		"levels of headings": cmp.Diff(depths(en), depths(zh)),
		"commands":           cmp.Diff(en.commands, zh.commands),
		"JSON":               cmp.Diff(en.json, zh.json),
		"columns of tables":  cmp.Diff(en.rows, zh.rows),
		"targets of links":   cmp.Diff(targets(t, english, en), targets(t, chinese, zh), sorted),
		"names in code":      cmp.Diff(en.names, zh.names, sorted),
	} {
		if diff != "" {
			t.Errorf("%s and %s differ in their %s (-en +zh):\n%s", english, chinese, what, diff)
		}
	}
}

// sorted compares lists whatever their order, which differs between languages.
var sorted = cmp.Transformer("sorted", func(s []string) []string { return slices.Sorted(slices.Values(s)) })

// depths returns the levels of the headings.
func depths(d document) (all []int) {
	for _, h := range d.headings {
		all = append(all, strings.Count(strings.Fields(h)[0], "#"))
	}
	return all
}

// targets returns where the links of a page lead, but for the first: the English
// page, with the number of the heading. A page in Chinese links to those in
// Chinese where they exist.
func targets(t *testing.T, name string, d document) (all []string) {
	t.Helper()
	for _, l := range d.links[1:] {
		if strings.Contains(l, "://") {
			all = append(all, l)
			continue
		}
		file, anchor, _ := strings.Cut(l, "#")
		target := path.Join(path.Dir(name), file)
		if file == "" {
			target = name
		}
		base, isChinese := strings.CutSuffix(target, chinese)
		if !isChinese && strings.HasSuffix(name, chinese) {
			if _, err := os.Stat(filepath.Join(root, strings.TrimSuffix(target, ".md")+chinese)); err == nil {
				t.Errorf("%s links to %s, which exists in Chinese", name, target)
			}
		}
		if isChinese {
			target = base + ".md"
		}
		if anchor != "" {
			from := d
			if file != "" {
				from = read(t, path.Join(path.Dir(name), file))
			}
			target += "#" + strconv.Itoa(slices.IndexFunc(from.headings, func(h string) bool { return slug(h) == anchor }))
		}
		all = append(all, target)
	}
	return all
}
