package strictyaml

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"packseal.example/internal/units"
)

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[units.Size]()
)

// scalar decodes a single value. Messages are in the document's terms, without
// the names of Go's types.
func (d *decoder) scalar(path string, n *yaml.Node, v reflect.Value) {
	k := kindOf(v.Type())
	hidden, sensitive := d.Sensitive[v.Type()]
	wrong := !k.takes(n)
	switch {
	case n.Kind != yaml.ScalarNode:
		d.fail(path, n, "", "expected %s, found %s", k.name, found(n))
		return
	case d.variable(path, n, sensitive):
		return
	case wrong && sensitive:
		d.fail(path, n, hidden.Hint, "expected %s", hidden.Name)
		return
	case wrong:
		hint := k.hint
		if k.takes(&yaml.Node{Kind: yaml.ScalarNode, Value: n.Value}) {
			hint = "write it without quotes"
		}
		d.fail(path, n, hint, "expected %s, found %s", k.name, found(n))
		return
	}
	if err := k.set(n, v); err != nil {
		d.fail(path, n, k.hint, "%s", err)
		return
	}
	if v.Kind() == reflect.String && v.String() == "" {
		d.blank[path] = true
		return
	}
	if v.Kind() != reflect.String || d.Text == nil {
		return
	}
	text, bad := d.Text(path, v.String())
	if bad != nil {
		d.fail(path, n, bad.Hint, "%s", bad.Message)
	}
	v.SetString(text)
}

// variables matches what shells, Compose and Kubernetes would put a value for.
var variables = regexp.MustCompile(`\$(?:\{[^}]*\}|\(\w+\)|[A-Za-z_]\w*)`)

// variable reports, as a fault, that a value holds a variable where none may be. A
// sensitive value is not shown.
func (d *decoder) variable(path string, n *yaml.Node, sensitive bool) bool {
	for _, v := range variables.FindAllString(n.Value, -1) {
		if d.Variable(path, strings.Trim(v, "${}()")) {
			continue
		}
		if sensitive {
			v = "a variable"
		}
		d.fail(path, n, "write the value itself: nothing is put in place of variables here", "%.64s is not expanded", v)
		return true
	}
	return false
}

// kind is how values of one Go type are written.
type kind struct {
	name string // in messages
	tags string // the YAML tags that are accepted
	hint string
	set  func(*yaml.Node, reflect.Value) error
}

// takes reports whether values of the kind are written so.
func (k kind) takes(n *yaml.Node) bool { return slices.Contains(strings.Fields(k.tags), n.ShortTag()) }

// kindOf returns the kind of a type. Types that are not listed are text.
func kindOf(t reflect.Type) kind {
	switch t {
	case durationType:
		return kind{"a duration", "!!str", units.DurationHint, setDuration}
	case sizeType:
		return kind{"a size", "!!int !!str", units.SizeHint, setSize}
	case timeType:
		return kind{"a date or a time", "!!str !!timestamp", "2026-01-31, or 2026-01-31T08:00:00+08:00", setTime}
	}
	switch t.Kind() {
	case reflect.Bool:
		return kind{"true or false", "!!bool", "", setPlain}
	case reflect.Int, reflect.Int64:
		return kind{"a whole number", "!!int", "", setNumber}
	case reflect.Float64:
		return kind{"a number", "!!int !!float", "", setNumber}
	}
	return kind{"text", "!!str", "put it in quotes if it is meant as text", setPlain}
}

// setPlain sets text, or true or false.
func setPlain(n *yaml.Node, v reflect.Value) error {
	if n.Decode(v.Addr().Interface()) != nil {
		return fmt.Errorf("%s is not supported", found(n))
	}
	return nil
}

// plainNumber matches numbers that mean the same to every reader. YAML takes 010 for
// 8, and knows 0o10, 0x8, 0b1000, 1_0, 1e1, .5 and +5.
var plainNumber = regexp.MustCompile(`^(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$`)

// setNumber refuses negative and infinite numbers: no setting means one.
func setNumber(n *yaml.Node, v reflect.Value) error {
	if n.Decode(v.Addr().Interface()) != nil {
		return fmt.Errorf("the number %.40s is out of range", n.Value)
	}
	var f float64
	if v.CanInt() {
		f = float64(v.Int())
	} else {
		f = v.Float()
	}
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return errors.New("must be a finite number")
	case f < 0:
		return fmt.Errorf("must not be negative, found %.40s", n.Value)
	case !plainNumber.MatchString(n.Value):
		return fmt.Errorf("%.40s would be read as %v: write it in plain digits, without zeros before them", n.Value, v.Interface())
	}
	return nil
}

// setDuration takes a number with its unit. A bare number is refused, even 0 in
// quotes: it could mean seconds or minutes.
func setDuration(n *yaml.Node, v reflect.Value) error {
	t, err := units.ParseDuration(n.Value)
	switch {
	case err != nil:
		return err
	case n.Value == "0":
		return fmt.Errorf("%.40q is not a duration", n.Value)
	case t < 0:
		return fmt.Errorf("must not be negative, found %.40s", n.Value)
	}
	v.SetInt(int64(t))
	return nil
}

// setSize takes a number of bytes, or a number with its unit.
func setSize(n *yaml.Node, v reflect.Value) error {
	if n.ShortTag() == "!!int" {
		return setNumber(n, v)
	}
	size, err := units.ParseSize(n.Value)
	v.SetInt(int64(size))
	return err
}

// setTime takes a time with its zone, or a date, which stands for midnight UTC:
// the machine's own zone never matters.
func setTime(n *yaml.Node, v reflect.Value) error {
	t, err := time.Parse(time.RFC3339, n.Value)
	if err != nil {
		t, err = time.Parse(time.DateOnly, n.Value)
	}
	if err != nil {
		return fmt.Errorf("%.40q is not a date or a time", n.Value)
	}
	v.Set(reflect.ValueOf(t.UTC()))
	return nil
}

// found describes the node's value.
func found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return fmt.Sprintf("the number %.40s", n.Value)
	case "!!bool":
		return n.Value
	}
	return fmt.Sprintf("%.40q", n.Value)
}
