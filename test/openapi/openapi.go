// Package openapi reads docs/openapi.yaml, and tells whether an answer is as the
// document promises. Only tests import it.
package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// Document is docs/openapi.yaml, as far as packseal uses the format.
type Document struct {
	Paths      map[string]map[string]Operation // by path and method in lower case
	Components struct {
		Responses map[string]Response
		Schemas   map[string]Schema
	}

	t        testing.TB
	compiler *jsonschema.Compiler
}

// Operation is what one method of a path takes and answers.
type Operation struct {
	Parameters []struct {
		Name     string
		Required bool
		Schema   Schema
	}
	Responses map[string]Response // by status
}

// Response is an answer, or a reference to one.
type Response struct {
	Ref     string                             `yaml:"$ref"`
	Content map[string]struct{ Schema Schema } // by media type
}

// Schema is what a JSON value is, or a reference to that.
type Schema struct {
	Ref              string `yaml:"$ref"`
	Type, Format     string
	Required         []string
	Enum             []string
	Properties       map[string]Schema
	Items            *Schema
	PropertyNames    *Schema `yaml:"propertyNames"`
	Additional       *Schema `yaml:"additionalProperties"`
	Minimum, Maximum int
	Default          any
}

// Name is that of the component that the reference leads to, or "".
func (s Schema) Name() string { return strings.TrimPrefix(s.Ref, "#/components/schemas/") }

// Read reads a document.
func Read(t testing.TB, path string) *Document {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := &Document{t: t, compiler: jsonschema.NewCompiler()}
	var whole any
	for _, into := range []any{a, &whole} {
		if err := yaml.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
	}
	if raw, err = json.Marshal(whole); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	a.compiler.AssertFormat()
	if err := a.compiler.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return a
}

// Check fails the test if an answer to a request is none that the document
// promises: its status, its media type, or its JSON.
func (a *Document) Check(method, path string, status int, h http.Header, body []byte) {
	a.t.Helper()
	if err := a.check(method, path, status, h, body); err != nil {
		a.t.Errorf("%s %s: %v\n%s", method, path, err, body)
	}
}

func (a *Document) check(method, path string, status int, h http.Header, body []byte) error {
	path, _, _ = strings.Cut(path, "?")
	r, ok := a.Paths[path][strings.ToLower(method)].Responses[strconv.Itoa(status)]
	if !ok {
		return fmt.Errorf("status %d is not documented", status)
	}
	if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
		r = a.Components.Responses[name]
	}
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return err
	}
	content, ok := r.Content[media]
	if !ok {
		return fmt.Errorf("%s is not documented for status %d", media, status)
	}
	if media != "application/json" {
		return nil
	}
	schema, err := a.compiler.Compile("openapi.json" + content.Schema.Ref)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}
