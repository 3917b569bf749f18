package strictyaml

import (
	"fmt"
	"iter"
	"reflect"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFaults is how many faults are looked for: more than a person reads, and a
// bound for a document that is nothing but faults.
const maxFaults = 1000

// decoder fills a struct from a tree of YAML nodes.
type decoder struct {
	Options
	*Document
}

// fail records a fault at the node.
func (d *decoder) fail(path string, n *yaml.Node, hint, format string, args ...any) {
	d.Faults = append(d.Faults, Fault{path, fmt.Sprintf(format, args...), hint, n.Line, n.Column})
}

// exhausted counts a value, and reports whether decoding must stop: aliases can
// make a small text stand for a huge one.
func (d *decoder) exhausted(n *yaml.Node) bool {
	if len(d.Faults) > maxFaults {
		return true
	}
	d.values++
	if d.values == d.MaxValues {
		d.fail("", n, "write less of it, or use fewer aliases", "more than %d values, aliases counted each time", d.MaxValues)
	}
	return d.values >= d.MaxValues
}

// value decodes n into v by v's type. A null leaves v as it is.
func (d *decoder) value(path string, n *yaml.Node, v reflect.Value) {
	n = target(n)
	if d.exhausted(n) || n.ShortTag() == "!!null" {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		faults := len(d.Faults)
		d.value(path, n, p.Elem())
		// A value of the wrong kind does not count as set.
		if len(d.Faults) == faults || n.Kind == yaml.MappingNode {
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
	for key, i := range Fields(v.Type()) {
		known, index[key] = append(known, key), i
	}
	for key, value := range d.pairs(path, n) {
		i, ok := index[key.Value]
		if !ok {
			d.fail(Join(path, key.Value), key, d.UnknownKey(key.Value, known), "unknown key")
			continue
		}
		d.value(Join(path, key.Value), value, v.Field(i))
	}
}

// table decodes a mapping into a map.
func (d *decoder) table(path string, n *yaml.Node, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	for key, value := range d.pairs(path, n) {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(Join(path, key.Value), value, elem)
		v.SetMapIndex(reflect.ValueOf(key.Value), elem)
	}
}

// list decodes a sequence into a slice.
func (d *decoder) list(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.fail(path, n, d.listHint(n, v.Type().Elem()), "expected a list, found %s", found(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0)) // an empty list is not the same as none
	for i, item := range n.Content {
		if d.exhausted(item) {
			return
		}
		itemPath := fmt.Sprintf("%s[%d]", path, i)
		d.places[itemPath] = place{item.Line, item.Column}
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(itemPath, item, elem)
		v.Set(reflect.Append(v, elem))
	}
}

// plainText matches text that needs no quotes in a list.
var plainText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._/-]{0,63}$`)

// listHint is how a list is written: of the one value that is there, if it is text.
func (d *decoder) listHint(n *yaml.Node, item reflect.Type) string {
	_, sensitive := d.Sensitive[item]
	if item.Kind() == reflect.String && !sensitive && n.Kind == yaml.ScalarNode {
		value := n.Value
		if !plainText.MatchString(value) {
			value = fmt.Sprintf("%.64q", value)
		}
		return "a list has brackets, also one of a single item: [" + value + "]"
	}
	return `begin each item with "- "`
}

// pairs yields the keys and values of a mapping and records their places.
func (d *decoder) pairs(path string, n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if n.Kind != yaml.MappingNode {
			d.fail(path, n, "", "expected keys and values, found %s", found(n))
			return
		}
		first := map[string]int{} // key → line
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := target(n.Content[i]), n.Content[i+1]
			if d.exhausted(key) {
				return
			}
			line, twice := first[key.Value]
			switch {
			case key.Kind != yaml.ScalarNode:
				d.fail(path, key, "", "a key must be text, not %s", found(key))
			case key.Tag == "!!merge":
				d.fail(path, key, d.MergeHint, "merge keys (<<) are not supported")
			case twice:
				d.fail(Join(path, key.Value), key, "remove one of the two", "duplicate key, first on line %d", line)
			default:
				first[key.Value] = key.Line
				d.places[Join(path, key.Value)] = place{key.Line, key.Column}
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

// Fields yields the YAML keys of a struct type and the indices of their fields.
func Fields(t reflect.Type) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for i := range t.NumField() {
			key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
			if key != "" && key != "-" && !yield(key, i) {
				return
			}
		}
	}
}

// plainKey matches the keys that stand in paths without quotes.
var plainKey = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// Join appends a key to a path. A key that could be mistaken for something else
// is quoted.
func Join(path, key string) string {
	if !plainKey.MatchString(key) {
		key = fmt.Sprintf("%.64q", key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
