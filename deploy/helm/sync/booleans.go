package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// words are what YAML 1.1, and so Helm, reads as true or false where no quotes are
// around it, in keys too. The configuration's own reader takes them as they are.
var words = map[string]bool{"on": true, "yes": true, "y": true, "off": false, "no": false, "n": false}

// restored are the keys where such a word may stand, which the chart's template
// packseal.config makes words again.
var restored = []string{"config.Notice.on", "oss.Options.overwrite", "s3.Options.conditional_writes"}

// booleans has the schema take true and false for such words.
func booleans(defs map[string]json.RawMessage) error {
	for name, raw := range defs {
		var def, properties map[string]json.RawMessage
		if err := json.Unmarshal(raw, &def); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if json.Unmarshal(def["properties"], &properties) != nil {
			continue // it has none
		}
		changed := false
		for key, property := range properties {
			key, property, found := asBoolean(key, property)
			if !found {
				continue
			}
			if at := name + "." + key.was; !slices.Contains(restored, at) {
				return fmt.Errorf("%s: Helm reads it as a boolean: have the template packseal.config restore it", at)
			}
			properties[key.is], changed = property, true
			if key.is != key.was {
				def["required"] = without(def["required"], key.was)
			}
		}
		if !changed {
			continue
		}
		var err error
		if def["properties"], err = json.Marshal(properties); err == nil {
			defs[name], err = json.Marshal(def)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// spelling is a key as it is written, and as Helm reads it.
type spelling struct{ was, is string }

// asBoolean returns a property as Helm reads it, if it reads it otherwise.
func asBoolean(key string, property json.RawMessage) (spelling, json.RawMessage, bool) {
	if value, ok := words[key]; ok {
		return spelling{key, strconv.FormatBool(value)}, property, true
	}
	var p map[string]json.RawMessage
	var enum []any
	if json.Unmarshal(property, &p) != nil || json.Unmarshal(p["enum"], &enum) != nil {
		return spelling{}, nil, false
	}
	plain := len(enum)
	for _, v := range enum[:plain] {
		word, _ := v.(string)
		if value, ok := words[word]; ok {
			enum = append(enum, value)
		}
	}
	if len(enum) == plain {
		return spelling{}, nil, false
	}
	delete(p, "type")
	p["enum"], _ = json.Marshal(enum) //nolint:errcheck // it was JSON
	property, err := json.Marshal(p)
	return spelling{key, key}, property, err == nil
}

// without returns the list of names without one of them.
func without(list json.RawMessage, name string) json.RawMessage {
	var names []string
	json.Unmarshal(list, &names) //nolint:errcheck // no list is an empty one
	names = slices.DeleteFunc(names, func(n string) bool { return n == name })
	list, _ = json.Marshal(append([]string{}, names...)) //nolint:errcheck // they are strings
	return list
}
