package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// The table of values is between these two lines of the README.
const (
	tableBegins = "<!-- values: written by deploy/helm/sync from the comments in values.yaml -->\n"
	tableEnds   = "<!-- end of values -->"
)

// literal keeps a comment from being read as markup.
var literal = strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`)

// readme returns the chart's README with the table of values as it should be.
func readme(root, part string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(root, chart, part))
	if err != nil {
		return nil, err
	}
	before, rest, begins := strings.Cut(string(b), tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		return nil, fmt.Errorf("%s: the lines around the table of values are missing", part)
	}
	if b, err = os.ReadFile(filepath.Join(root, chart, "values.yaml")); err != nil {
		return nil, err
	}
	table, err := tabulate(b)
	return []byte(before + tableBegins + table + tableEnds + after), err
}

// tabulate makes a table of values of their comments. What has no comment is
// an error: nobody could know what it is for.
func tabulate(values []byte) (string, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(values, &doc); err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("\n| key | default | |\n|---|---|---|\n")
	err := rows(&b, "", doc.Content[0])
	b.WriteString("\n")
	return b.String(), err
}

// rows writes a row for each value of a mapping. One whose own keys have
// comments is written key by key.
func rows(b *strings.Builder, prefix string, mapping *yaml.Node) error {
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		if value.Kind == yaml.MappingNode && commented(value) {
			if err := rows(b, name+".", value); err != nil {
				return err
			}
			continue
		}
		comment := strings.Join(strings.Fields(strings.ReplaceAll(key.HeadComment, "#", "")), " ")
		if comment == "" {
			return fmt.Errorf("values.yaml:%d: %s has no comment", key.Line, name)
		}
		var v any
		if err := value.Decode(&v); err != nil {
			return err
		}
		shown, err := json.Marshal(v)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "| `%s` | `%s` | %s |\n", name, shown, literal.Replace(comment))
	}
	return nil
}

// commented reports whether a key of the mapping has a comment.
func commented(mapping *yaml.Node) bool {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].HeadComment != "" {
			return true
		}
	}
	return false
}
