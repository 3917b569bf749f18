package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"packseal.example/internal/fault"
)

// canonical decodes a record that must be in canonical form: what it holds
// beyond its type's fields would be lost, and so is an error.
func canonical[T any](b []byte) (any, error) {
	var fast, record T
	if r := (reader{b}); r.value(reflect.ValueOf(&fast).Elem()) {
		var v any = fast
		if again, err := Encode(v); err == nil && bytes.Equal(again, b) {
			return v, nil
		}
	}
	if err := json.Unmarshal(b, &record); err != nil {
		return nil, fault.Wrap(fault.Damaged, fmt.Errorf("decoding a record: %w", err))
	}
	again, err := Encode(record)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, b) {
		return nil, fault.New(fault.Damaged, "the record has unknown fields or is not in canonical form")
	}
	return record, nil
}

// reader reads JSON in canonical form, several times as fast as encoding/json, and
// without its checks: what was read counts only if it is written as the same bytes
// again. Its methods return false for what they can't read, such as escapes.
type reader struct{ rest []byte }

// value reads a value into v, whose fields are exported and have tags.
func (r *reader) value(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Struct:
		if t, ok := v.Addr().Interface().(*time.Time); ok {
			text, ok := r.text()
			return ok && t.UnmarshalText(text) == nil
		}
		return r.object(v)
	case reflect.String:
		text, ok := r.text()
		v.SetString(string(text))
		return ok
	case reflect.Int, reflect.Int64:
		end := bytes.IndexAny(r.rest, ",}]")
		n, err := strconv.ParseInt(string(r.rest[:max(end, 0)]), 10, 64)
		v.SetInt(n)
		r.rest = r.rest[max(end, 0):]
		return err == nil
	case reflect.Bool:
		v.SetBool(r.skip("true"))
		return v.Bool() || r.skip("false")
	case reflect.Slice:
		return r.list(v)
	case reflect.Map:
		return r.labels(v)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return r.value(v.Elem())
	}
	return false
}

// object reads the fields that are there, in their order.
func (r *reader) object(v reflect.Value) bool {
	if !r.skip("{") {
		return false
	}
	for i, name := range names(v.Type()) {
		if r.skip(name) && (!r.value(v.Field(i)) || !r.skip(",") && !bytes.HasPrefix(r.rest, []byte("}"))) {
			return false
		}
	}
	return r.skip("}")
}

func (r *reader) list(v reflect.Value) bool {
	v.SetZero()
	if !r.skip("[") {
		return false
	}
	for n := 0; ; n++ {
		v.Grow(1)
		v.SetLen(n + 1)
		if !r.value(v.Index(n)) {
			return false
		}
		if !r.skip(",") {
			return r.skip("]")
		}
	}
}

func (r *reader) labels(v reflect.Value) bool {
	v.Set(reflect.MakeMap(v.Type()))
	labels, ok := v.Interface().(map[string]string)
	for ok = ok && r.skip("{"); ok; {
		key, isKey := r.text()
		colon := r.skip(":")
		value, isValue := r.text()
		labels[string(key)] = string(value)
		if ok = isKey && colon && isValue; ok && !r.skip(",") {
			return r.skip("}")
		}
	}
	return false
}

// text reads a string without escapes.
func (r *reader) text() ([]byte, bool) {
	if !r.skip(`"`) {
		return nil, false
	}
	text, rest, ok := bytes.Cut(r.rest, []byte{'"'})
	r.rest = rest
	return text, ok && bytes.IndexByte(text, '\\') < 0
}

func (r *reader) skip(text string) (ok bool) {
	ok = len(r.rest) >= len(text) && string(r.rest[:len(text)]) == text
	if ok {
		r.rest = r.rest[len(text):]
	}
	return ok
}

var namesOf sync.Map // []string by reflect.Type

// names returns how each field of a struct begins in JSON: "name":
func names(t reflect.Type) []string {
	if list, ok := namesOf.Load(t); ok {
		return list.([]string)
	}
	list := make([]string, t.NumField())
	for i := range list {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		list[i] = `"` + name + `":`
	}
	namesOf.Store(t, list)
	return list
}
