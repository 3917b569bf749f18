package config

import (
	"encoding/json"
	"path"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"packseal.example/internal/evidence"
	"packseal.example/internal/units"
)

// The schemas of the configuration and of a file of packs.
const (
	schemaFile      = "../config.schema.json"
	packsFileSchema = "../packs.schema.json"
)

// enums are the words that fields of other packages take, by definition and
// key. The packages check them themselves.
var enums = map[string][]any{
	"oss.Options.overwrite":         {"forbid", "off"},
	"oss.SSE.type":                  {"AES256", "KMS", "SM4"},
	"s3.Options.conditional_writes": {"required", "off"},
	"s3.SSE.type":                   {"AES256", "aws:kms"},
	"s3.ObjectLock.mode":            {"GOVERNANCE", "COMPLIANCE"},
	"ping.Options.method":           {"POST", "GET"},
	"queue.Cluster.size":            {3, 5, 7},
}

// reflector makes a JSON Schema from structs and their comments. It is made here, so
// that the program need not hold the maker.
func reflector(t *testing.T) *jsonschema.Reflector {
	t.Helper()
	r := &jsonschema.Reflector{
		FieldNameTag:   "yaml",
		ExpandedStruct: true,
		Namer:          definitionName,
		Mapper:         scalarSchema,
	}
	for _, dir := range []string{".", "../fetcher", "../internal/ram", "../sink", "../scheduler/queue", "../notify"} {
		if err := r.AddGoComments("packseal.example/config", dir); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// schemaOf makes the schema of a file.
func schemaOf(t *testing.T, name, title string, file any) *jsonschema.Schema {
	t.Helper()
	s := reflector(t).Reflect(file)
	s.ID, s.Title = "", title
	refine(name, s)
	for name, def := range s.Definitions {
		refine(name, def)
	}
	oneKind(s.Definitions["config.Pack"])
	return s
}

// packsSchema makes the schema of a file of packs.
func packsSchema(t *testing.T) []byte {
	t.Helper()
	s := schemaOf(t, "config.packs", "packs of packseal", packs{})
	s.Properties.Value("packs").Description = "what reports are kept of, written as in the configuration"
	return encoded(t, s)
}

// schema makes the schema of the configuration.
func schema(t *testing.T) []byte {
	t.Helper()
	s := schemaOf(t, "config.Config", "packseal configuration", Config{})
	oneBackend(s.Definitions["config.Source"], reflect.TypeFor[Source]())
	oneBackend(s.Definitions["config.Sink"], reflect.TypeFor[Sink]())
	oneBackend(s.Definitions["config.Notice"], reflect.TypeFor[Notice]())
	s.Definitions["config.Queue"].MaxProperties = new(uint64(1))
	return encoded(t, s)
}

func encoded(t *testing.T, s *jsonschema.Schema) []byte {
	t.Helper()
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// definitionName distinguishes the Options of different packages.
func definitionName(t reflect.Type) string {
	if t.Name() == "" {
		return ""
	}
	return path.Base(t.PkgPath()) + "." + t.Name()
}

// scalarSchema is what durations and times are in the file.
func scalarSchema(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]*\.?[0-9]+(ns|us|µs|ms|s|m|h|d|w|y))+$`}
	case reflect.TypeFor[units.Size]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "integer", Minimum: "0"}, {Type: "string", Pattern: `^[0-9]+(\.[0-9]{1,9})? ?([KkMmGgTt][Ii]?[Bb]|[Bb])?$`}}}
	case reflect.TypeFor[time.Time]():
		return &jsonschema.Schema{Type: "string", Pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}(T.+(Z|[+-][0-9]{2}:[0-9]{2}))?$`}
	}
	return nil
}

// refine adds what the Go types do not say, but Parse checks: nothing is
// negative, names are plain, and what is required is not empty.
func refine(name string, s *jsonschema.Schema) {
	one := uint64(1)
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		v := p.Value
		if v.Type == "integer" || v.Type == "number" {
			v.Minimum = "0"
		}
		if words, ok := enums[name+"."+p.Key]; ok {
			v.Enum = words
		}
		switch name + "." + p.Key {
		case "config.Config.sources":
			v.MinProperties = &one
			v.PropertyNames = &jsonschema.Schema{Pattern: namePattern.String(), Not: &jsonschema.Schema{Pattern: "^" + evidence.ReservedPrefix + "|" + memberName.String()}}
		case "config.Pack.labels", "config.Rule.labels":
			v.MaxProperties = new(uint64(maxLabels))
			v.PropertyNames = &jsonschema.Schema{Pattern: namePattern.String()}
			v.AdditionalProperties.MinLength = &one
			v.AdditionalProperties.MaxLength = new(uint64(maxLabel))
		case "config.Config.sinks":
			v.MinItems = &one
		case "config.Defaults.sinks", "config.Source.sinks", "config.Rule.sinks", "config.Pack.sinks":
			v.MinItems, v.UniqueItems = &one, true
			v.Items.Pattern = namePattern.String()
		case "config.Ledger.origin":
			v.Pattern = "^[!-*,-~]+$"
		case "config.Ledger.key_file", "config.Succeeds.checkpoint", "config.Succeeds.reason":
			v.MinLength = &one
		case "config.Pack.id":
			v.Pattern = namePattern.String()
		case "config.Pack.aggregator", "config.Sink.name", "config.Notice.name", "config.Stamp.name", "config.Witness.name":
			v.Pattern = namePattern.String()
		}
	}
}

// oneKind says what ID each kind of pack has.
func oneKind(s *jsonschema.Schema) {
	kind := func(word string, id *jsonschema.Schema, required ...string) *jsonschema.Schema {
		k := &jsonschema.Schema{Properties: jsonschema.NewProperties(), Required: required}
		if k.Properties.Set("id", id); word != "" {
			k.Properties.Set("kind", &jsonschema.Schema{Const: word})
		}
		return k
	}
	pack := kind("", &jsonschema.Schema{Not: &jsonschema.Schema{Pattern: "^(rules|inventory|crt-.*)$"}}, "id")
	pack.Not = &jsonschema.Schema{Required: []string{"kind"}}
	template := kind("template", &jsonschema.Schema{Pattern: "^crt-"}, "kind", "id")
	template.Not = &jsonschema.Schema{Required: []string{"aggregator"}}
	s.OneOf = []*jsonschema.Schema{pack, template, kind("rules", &jsonschema.Schema{Const: "rules"}, "kind"), kind("inventory", &jsonschema.Schema{Const: "inventory"}, "kind")}
}

// oneBackend says that exactly one of the entry's backends is there.
func oneBackend(s *jsonschema.Schema, entry reflect.Type) {
	for key := range backends(entry) {
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{key}})
	}
}

func TestSchemaIsUpToDate(t *testing.T) {
	t.Parallel()
	generated(t, schemaFile, schema(t))
	generated(t, packsFileSchema, packsSchema(t))
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	t.Parallel()
	var s jsonschema.Schema
	if err := json.Unmarshal(schema(t), &s); err != nil {
		t.Fatal(err)
	}
	described, bare := 0, 0
	for name, def := range s.Definitions {
		if def.Description == "" {
			t.Errorf("%s has no description", name)
		}
		for p := def.Properties.Oldest(); p != nil; p = p.Next() {
			if p.Value.Description == "" {
				bare++
			} else {
				described++
			}
		}
	}
	if described < 3*bare || described < 30 {
		t.Errorf("%d keys are described, %d are not", described, bare)
	}
}

// compile makes a validator of a schema.
func compile(t *testing.T, schema []byte) *validator.Schema {
	t.Helper()
	doc, err := validator.UnmarshalJSON(strings.NewReader(string(schema)))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plain decodes YAML into what JSON can say, as an editor does.
func plain(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	j, err := json.Marshal(textTimes(v))
	if err != nil {
		t.Fatal(err)
	}
	v, err = validator.UnmarshalJSON(strings.NewReader(string(j)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// textTimes turns the times that YAML 1.1 sees back into text.
func textTimes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = textTimes(e)
		}
	case []any:
		for i, e := range v {
			v[i] = textTimes(e)
		}
	case time.Time:
		return v.Format(time.RFC3339)
	}
	return v
}

// TestPacksSchema: the schema of a file of packs takes what such a file takes, and no
// configuration.
func TestPacksSchema(t *testing.T) {
	t.Parallel()
	s := compile(t, packsSchema(t))
	for text, good := range map[string]bool{
		"packs: [{id: cp-1, schedule: '@daily', until: 2027-12-31, enabled: false}, {kind: rules}]": true,
		"packs: []": true, "packs: [{id: cp-1, timeout: 5}]": false, "packs: [{kind: template}]": false,
		"packs: [{id: cp-1}]\nstate_dir: x": false, minimal: false,
	} {
		if err := s.Validate(plain(t, []byte(text))); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
		file := inFiles(t, map[string]string{"packseal.yaml": mainFile + "packs_file: more.yaml\n", "more.yaml": text})
		if _, _, err := Load(file); (err == nil) != good {
			t.Errorf("Load of %s: %v", text, err)
		}
	}
}

func TestSchemaTakesTheExample(t *testing.T) {
	t.Parallel()
	s := compile(t, schema(t))
	for name, b := range map[string][]byte{"example": Example(), "minimal": []byte(minimal)} {
		if err := s.Validate(plain(t, b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for backend := range backends(reflect.TypeFor[Queue]()) { // of which there may be one only
		doc := plain(t, full()).(map[string]any)
		doc["queue"] = map[string]any{backend: doc["queue"].(map[string]any)[backend]}
		if err := s.Validate(doc); err != nil {
			t.Errorf("full, with queue.%s: %v", backend, err)
		}
	}
}

// What the schema refuses, Parse must refuse too: an editor and packseal
// must not disagree.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	s := compile(t, schema(t))
	for name, change := range map[string][2]string{
		"typo":              {"packs:", "paks:"},
		"typo deep down":    {"endpoint:", "endpiont:"},
		"wrong type":        {"id: cp-1", "id: [cp-1]"},
		"number for text":   {"id: cp-1", "id: 1"},
		"not a size":        {"sinks:", "fetch: {max_bytes: 1 M}\nsinks:"},
		"no sink at all":    {"id: cp-1", "id: cp-1, sinks: []"},
		"a sink twice":      {"id: cp-1", "id: cp-1, sinks: [archive, archive]"},
		"not a day":         {"id: cp-1", "id: cp-1, until: tomorrow"},
		"enabled by a word": {"id: cp-1", "id: cp-1, enabled: no!"},
		"bare number":       {"id: cp-1", "id: cp-1, timeout: 5"},
		"bare zero":         {"id: cp-1", `id: cp-1, jitter: "0"`},
		"negative duration": {"id: cp-1", "id: cp-1, jitter: -5s"},
		"not a date":        {"id: cp-1", "id: cp-1, since: yesterday"},
		"negative number":   {"sinks:", "fetch: {max_bytes: -1}\nsinks:"},
		"two channels":      {"sinks:", "notify: [{name: a, wecom: {url_file: u}, ping: {url_file: u}}]\nsinks:"},
		"unknown event":     {"sinks:", "notify: [{name: a, on: [sunrise], wecom: {url_file: u}}]\nsinks:"},
		"unknown language":  {"sinks:", "notify: [{name: a, language: fr, wecom: {url_file: u}}]\nsinks:"},
		"unknown method":    {"sinks:", "notify: [{name: a, ping: {url_file: u, method: PUT}}]\nsinks:"},
		"two backends":      {"local: {dir: archive}", "local: {dir: archive}, s3: {bucket: b, region: r}"},
		"no backend":        {", local: {dir: archive}", ""},
		"two queues":        {"sinks:", "queue: {embedded: {}, nats: {servers: [\"nats://127.0.0.1:1\"]}}\nsinks:"},
		"even cluster":      {"sinks:", "queue: {embedded: {cluster: {size: 4, dns: \"h:1\", token_file: c.yaml}}}\nsinks:"},
		"no servers":        {"sinks:", "queue: {nats: {}}\nsinks:"},
		"unknown word":      {"sinks:", "log: {format: xml}\nsinks:"},
		"unsafe name":       {"name: archive", "name: ../archive"},
		"reserved source":   {"prod:", "packseal-ledger:"},
		"member account":    {"prod:", "prod.1234567890123456:"},
		"not a pack":        {"id: cp-1", "id: rules"},
		"not of its kind":   {"id: cp-1", "kind: template, id: cp-1"},
		"unknown kind":      {"id: cp-1", "kind: rule, id: cp-1"},
		"rules with an ID":  {"id: cp-1", "kind: rules, id: cp-1"},
		"group template":    {"id: cp-1", "kind: template, id: crt-1, aggregator: ca-1"},
		"not a label":       {"id: cp-1", "id: cp-1, labels: {a b: c}"},
		"empty label":       {"id: cp-1", "id: cp-1, labels: {a: \"\"}"},
		"number as a label": {"id: cp-1", "id: cp-1, labels: {a: 5}"},
		"long label":        {"id: cp-1", "id: cp-1, labels: {a: " + strings.Repeat("x", maxLabel+1) + "}"},
		"many labels":       {"id: cp-1", "id: cp-1, labels: {" + many(maxLabels+1) + "}"},
		"unknown risk":      {"1\"}}}", "1\"}, discover: {rules: [{match: {risk: [severe]}}]}}}"},
		"a rule's label":    {"1\"}}}", "1\"}, discover: {rules: [{labels: {a: 5}}]}}}"},
		"nameless ledger":   {"sinks:", "ledger: {key_file: k}\nsinks:"},
		"keyless ledger":    {"sinks:", "ledger: {origin: example.com/log}\nsinks:"},
		"origin with space": {"sinks:", "ledger: {origin: a b, key_file: k}\nsinks:"},
		"unsafe authority":  {"sinks:", "ledger: {origin: example.com/log, key_file: k, stamps: [{name: ../a, url: 'http://a'}]}\nsinks:"},
		"no sources":        {"{prod: {cloudconfig: {endpoint: \"http://127.0.0.1:1\"}}}", "{}"},
		"unsafe source":     {"{prod:", "{\"a b\":"},
		"missing id":        {"{id: cp-1}", "{name: x}"},
	} {
		text := strings.Replace(minimal, change[0], change[1], 1)
		if text == minimal {
			t.Errorf("%s: nothing was changed", name)
		}
		if s.Validate(plain(t, []byte(text))) == nil {
			t.Errorf("%s: the schema takes it:\n%s", name, text)
		}
		if _, _, err := Parse("c.yaml", []byte(text)); err == nil {
			t.Errorf("%s: Parse takes it:\n%s", name, text)
		}
	}
}
