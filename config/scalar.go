package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"packseal.example/internal/secret"
)

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[secret.File]()
)

// scalar decodes a single value. What is wrong with it is said in the words
// of the file, without the names of Go's types.
func (d *decoder) scalar(path string, n *yaml.Node, v reflect.Value) {
	k := kindOf(v.Type())
	tag := n.ShortTag()
	switch {
	case n.Kind != yaml.ScalarNode:
		d.fail(path, n, "", "expected %s, found %s", k.name, found(n))
		return
	case v.Type() == secretType && tag != "!!str":
		// It may be the secret itself, so it is not shown.
		d.fail(path, n, "secrets are never in this file: write it to a file of its own and name that here", "expected the name of a file")
		return
	case !slices.Contains(strings.Fields(k.tags), tag):
		d.fail(path, n, k.hint, "expected %s, found %s", k.name, found(n))
		return
	}
	if err := k.set(n, v); err != nil {
		d.fail(path, n, k.hint, "%s", err)
		return
	}
	if v.Kind() == reflect.String && isPath(path) && v.String() != "" {
		full, err := d.locate(v.String(), strings.HasSuffix(path, "_file"))
		if err != nil {
			d.fail(path, n, credentialsHint, "%s", err)
		}
		v.SetString(full)
	}
}

// isPath reports whether the key names a file or a folder. It is told by the
// key, so that a new backend needs nothing but a field of that name.
func isPath(path string) bool {
	key := path[strings.LastIndexByte(path, '.')+1:]
	return key == "dir" || strings.HasSuffix(key, "_dir") || strings.HasSuffix(key, "_file")
}

// kind is what the file may say for values of one Go type.
type kind struct {
	name string // for people
	tags string // YAML's own names for what is accepted
	hint string
	set  func(*yaml.Node, reflect.Value) error
}

// kindOf returns the kind of a type. Types that are not listed are text.
func kindOf(t reflect.Type) kind {
	switch t {
	case durationType:
		return kind{"a duration", "!!str", "a number with its unit: 0s, 90s, 10m, 1h30m", setDuration}
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

// setPlain leaves it to the YAML package, for text and for true or false.
func setPlain(n *yaml.Node, v reflect.Value) error {
	if n.Decode(v.Addr().Interface()) != nil {
		return fmt.Errorf("%s is not understood", found(n))
	}
	return nil
}

// setNumber refuses what no setting can mean: less than nothing, and what is
// not a number.
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
	}
	return nil
}

// setDuration takes a number with its unit. A bare number is refused, also 0
// in quotes: readers would not agree on whether it is seconds or minutes.
func setDuration(n *yaml.Node, v reflect.Value) error {
	t, err := time.ParseDuration(n.Value)
	switch {
	case err != nil || n.Value == "0":
		return fmt.Errorf("%.40q is not a duration", n.Value)
	case t < 0:
		return fmt.Errorf("must not be negative, found %.40s", n.Value)
	}
	v.SetInt(int64(t))
	return nil
}

// setTime takes a time with its zone, or a date, which is its first moment in
// UTC: nothing in a configuration follows from the machine's own zone.
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

// found names what stands at the node.
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
