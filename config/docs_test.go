package config

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"packseal.example/config/strictyaml"
)

// block is an indented block of a Markdown page, or a fenced one of YAML.
var block = regexp.MustCompile("(?m)^```yaml\n((?:.*\n)*?)```$|(^    .*\n(?:(?:    .*)?\n)*)")

// TestDocsShowGoodSettings: what the documents show of a configuration has no
// key and no value that a real one could not have, and what they show whole is
// good as it stands.
func TestDocsShowGoodSettings(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	top := maps.Collect(strictyaml.Fields(reflect.TypeFor[Config]()))
	parts, whole := 0, 0
	for _, page := range append(pages, "../README.md", "../README.zh-CN.md") {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(b), -1) {
			text := m[1] + strings.ReplaceAll("\n"+m[2], "\n    ", "\n")
			text = strings.Trim(text, "\n") + "\n"
			first, _, _ := strings.Cut(text, ":")
			if _, ok := top[first]; !ok {
				continue
			}
			parts++
			if faults := decode(page, []byte(text)).doc.Faults; len(faults) > 0 {
				t.Errorf("%s\n%+v", text, faults)
			}
			if !strings.Contains(text, "\npacks:") || !strings.Contains(text, "\nsinks:") {
				continue
			}
			whole++
			if _, _, err := Parse(page, []byte(text)); err != nil {
				t.Errorf("%s\n%v", text, err)
			}
		}
	}
	if parts < 8 || whole < 2 {
		t.Errorf("only %d parts were looked at, %d of them whole", parts, whole)
	}
}
