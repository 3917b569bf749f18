package config

import (
	"fmt"
	"iter"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"

	"packseal.example/internal/fault"
)

// maxVisits bounds the work on one file: aliases can make a small file stand
// for a huge one. A hundred thousand packs of five settings each take half of
// it.
const maxVisits = 1 << 21

// place is where something stands in the file, both from 1.
type place struct{ line, column int }

// decoder fills a struct from a tree of YAML nodes. Unlike the YAML package's
// own decoder it does not stop at a fault, knows the path of each, and keeps
// the place of every path for the checks that come after it.
type decoder struct {
	base   string // the folder that relative paths start from
	places map[string]place
	faults []Fault
	visits int
}

// fail records a fault at the node.
func (d *decoder) fail(path string, n *yaml.Node, hint, format string, args ...any) {
	d.faults = append(d.faults, Fault{
		Problem: fault.Problem{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint},
		Line:    n.Line, Column: n.Column,
	})
}

// spent counts a step, and reports whether there were enough of them.
func (d *decoder) spent(n *yaml.Node) bool {
	if len(d.faults) > maxFaults {
		return true
	}
	d.visits++
	if d.visits == maxVisits {
		d.fail("", n, "write less of it, or use fewer aliases", "more than %d values, aliases counted each time", maxVisits)
	}
	return d.visits >= maxVisits
}

// value decodes n into v by v's type. A null leaves v as it is.
func (d *decoder) value(path string, n *yaml.Node, v reflect.Value) {
	n = target(n)
	if d.spent(n) || n.ShortTag() == "!!null" {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		faults := len(d.faults)
		d.value(path, n, p.Elem())
		// A backend of the wrong kind is not one that was chosen.
		if len(d.faults) == faults || n.Kind == yaml.MappingNode {
			v.Set(p)
		}
	case reflect.Map:
		d.table(path, n, v)
	case reflect.Slice:
		d.list(path, n, v)
	case reflect.Struct:
		if v.Type() == timeType {
			d.scalar(path, n, v)
		} else {
			d.record(path, n, v)
		}
	default:
		d.scalar(path, n, v)
	}
}

// record decodes a mapping into a struct.
func (d *decoder) record(path string, n *yaml.Node, v reflect.Value) {
	var known []string
	index := map[string]int{}
	for key, i := range keys(v.Type()) {
		known, index[key] = append(known, key), i
	}
	for key, value := range d.pairs(path, n) {
		i, ok := index[key.Value]
		if !ok {
			d.fail(join(path, key.Value), key, unknownHint(key.Value, known), "unknown key")
			continue
		}
		d.value(join(path, key.Value), value, v.Field(i))
	}
}

// table decodes a mapping into a map.
func (d *decoder) table(path string, n *yaml.Node, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	for key, value := range d.pairs(path, n) {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(join(path, key.Value), value, elem)
		v.SetMapIndex(reflect.ValueOf(key.Value), elem)
	}
}

// list decodes a sequence into a slice.
func (d *decoder) list(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.fail(path, n, `begin each item with "- "`, "expected a list, found %s", found(n))
		return
	}
	for i, item := range n.Content {
		if d.spent(item) {
			return
		}
		itemPath := fmt.Sprintf("%s[%d]", path, i)
		d.places[itemPath] = place{item.Line, item.Column}
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(itemPath, item, elem)
		v.Set(reflect.Append(v, elem))
	}
}

// pairs yields the keys and values of a mapping and notes their places.
func (d *decoder) pairs(path string, n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if n.Kind != yaml.MappingNode {
			d.fail(path, n, "", "expected keys and values, found %s", found(n))
			return
		}
		first := map[string]int{} // key → line
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := target(n.Content[i]), n.Content[i+1]
			if d.spent(key) {
				return
			}
			line, twice := first[key.Value]
			switch {
			case key.Kind != yaml.ScalarNode:
				d.fail(path, key, "", "a key must be text, not %s", found(key))
			case key.Tag == "!!merge":
				d.fail(path, key, "write what packs share once, under defaults", "merge keys (<<) are not understood")
			case twice:
				d.fail(join(path, key.Value), key, "remove one of the two", "the key stands here twice, first on line %d", line)
			default:
				first[key.Value] = key.Line
				d.places[join(path, key.Value)] = place{key.Line, key.Column}
				if !yield(key, value) {
					return
				}
			}
		}
	}
}

// target follows an alias to what it stands for.
func target(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// keys yields the YAML keys of a struct type and the indices of their fields.
func keys(t reflect.Type) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for i := range t.NumField() {
			key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
			if key != "" && key != "-" && !yield(key, i) {
				return
			}
		}
	}
}

// join appends a key to a path. A key that could be mistaken is quoted.
func join(path, key string) string {
	if !validName(key) {
		key = fmt.Sprintf("%.64q", key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
