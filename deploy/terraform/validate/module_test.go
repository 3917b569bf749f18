package validate

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// values are the variables of a call of a module.
type values map[string]cty.Value

// module is a module of Terraform, called with values.
type module struct {
	blocks []*hclsyntax.Block
	scope  *hcl.EvalContext
}

// functions are those of Terraform's that the modules use.
var functions = map[string]function.Function{
	"concat": stdlib.ConcatFunc, "jsonencode": stdlib.JSONEncodeFunc, "length": stdlib.LengthFunc, "merge": stdlib.MergeFunc,
	"setsubtract": stdlib.SetSubtractFunc, "sort": stdlib.SortFunc,
}

// load reads the module in ../name and gives its variables and locals their values.
func load(t *testing.T, name string, given values) *module {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", name, "*.tf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %d files", name, err, len(files))
	}
	m := &module{scope: &hcl.EvalContext{Functions: functions, Variables: make(values)}}
	parser := hclparse.NewParser()
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(hclwrite.Format(source), source) {
			t.Errorf("%s: run terraform fmt", file)
		}
		parsed, diags := parser.ParseHCL(source, file)
		check(t, diags)
		m.blocks = append(m.blocks, parsed.Body.(*hclsyntax.Body).Blocks...)
	}
	m.resources()
	m.variables(t, given)
	m.locals(t)
	return m
}

func check(t *testing.T, diags hcl.Diagnostics) {
	t.Helper()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
}

// ofType returns the blocks of a type.
func (m *module) ofType(name string) (all []*hclsyntax.Block) {
	for _, b := range m.blocks {
		if b.Type == name {
			all = append(all, b)
		}
	}
	return all
}

// resources declares what is known only after it was made.
func (m *module) resources() {
	types := make(map[string]values)
	for _, b := range m.ofType("resource") {
		if types[b.Labels[0]] == nil {
			types[b.Labels[0]] = make(values)
		}
		types[b.Labels[0]][b.Labels[1]] = cty.DynamicVal
	}
	for name, all := range types {
		m.scope.Variables[name] = cty.ObjectVal(all)
	}
	modules := make(values)
	for _, b := range m.ofType("module") {
		modules[b.Labels[0]] = cty.DynamicVal
	}
	m.scope.Variables["module"] = cty.ObjectVal(modules)
	m.scope.Variables["alicloud"] = cty.DynamicVal // providers
}

// variables gives each variable the value of the call, or its default.
func (m *module) variables(t *testing.T, given values) {
	t.Helper()
	all := make(values)
	for _, b := range m.ofType("variable") {
		name, attributes := b.Labels[0], b.Body.Attributes
		want, defaults, diags := typeexpr.TypeConstraintWithDefaults(attributes["type"].Expr)
		check(t, diags)
		value, ok := given[name]
		if !ok {
			if attributes["default"] == nil {
				t.Fatalf("variable %s is required", name)
			}
			value, diags = attributes["default"].Expr.Value(nil)
			check(t, diags)
		}
		if defaults != nil && !value.IsNull() {
			value = defaults.Apply(value)
		}
		value, err := convert.Convert(value, want)
		if err != nil {
			t.Fatalf("variable %s: %v", name, err)
		}
		all[name] = value
	}
	for name := range given {
		if _, ok := all[name]; !ok {
			t.Fatalf("there is no variable %s", name)
		}
	}
	m.scope.Variables["var"] = cty.ObjectVal(all)
}

// locals evaluates the locals, which may name one another in any order.
func (m *module) locals(t *testing.T) {
	t.Helper()
	left, all := make(hclsyntax.Attributes), make(values)
	for _, b := range m.ofType("locals") {
		maps.Copy(left, b.Body.Attributes)
	}
	for progress := true; len(left) > 0; {
		if !progress {
			for _, a := range left {
				_, diags := a.Expr.Value(m.scope)
				check(t, diags)
			}
		}
		progress = false
		m.scope.Variables["local"] = cty.ObjectVal(all)
		for name, a := range left {
			if value, diags := a.Expr.Value(m.scope); !diags.HasErrors() {
				all[name], progress = value, true
				delete(left, name)
			}
		}
	}
	m.scope.Variables["local"] = cty.ObjectVal(all)
}

// evaluate evaluates every expression in the body and says which arguments it has,
// those of blocks after the blocks' names.
func (m *module) evaluate(t *testing.T, b *hclsyntax.Body, prefix string) (arguments []string) {
	t.Helper()
	for name, a := range b.Attributes {
		_, diags := a.Expr.Value(m.scope)
		check(t, diags)
		arguments = append(arguments, prefix+name)
	}
	for _, block := range b.Blocks {
		arguments = append(arguments, m.evaluate(t, block.Body, prefix+block.Type+".")...)
	}
	slices.Sort(arguments)
	return arguments
}

// argument returns the value of an argument of the only resource of a type.
func (m *module) argument(t *testing.T, resource, name string) cty.Value {
	t.Helper()
	for _, b := range m.ofType("resource") {
		if b.Labels[0] == resource {
			value, diags := b.Body.Attributes[name].Expr.Value(m.scope)
			check(t, diags)
			return value
		}
	}
	t.Fatalf("there is no %s", resource)
	return cty.NilVal
}

// document returns the policy in an argument.
func (m *module) document(t *testing.T, resource, name string) (d document) {
	t.Helper()
	if err := json.Unmarshal([]byte(m.argument(t, resource, name).AsString()), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// of returns the value of a JSON text.
func of(t *testing.T, text string) cty.Value {
	t.Helper()
	kind, err := ctyjson.ImpliedType([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	value, err := ctyjson.Unmarshal([]byte(text), kind)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// set returns the value of names in one text.
func set(names string) cty.Value {
	var all []cty.Value
	for _, name := range strings.Fields(names) {
		all = append(all, cty.StringVal(name))
	}
	return cty.SetVal(all)
}
