package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/test/openapi"
)

var openAPIFile = filepath.Join("..", "docs", "openapi.yaml")

// documented are the Go types behind the schemas of objects.
var documented = map[reflect.Type]string{
	reflect.TypeFor[packList]():               "PackList",
	reflect.TypeFor[packItem]():               "Pack",
	reflect.TypeFor[Pause]():                  "Pause",
	reflect.TypeFor[slotList]():               "SlotList",
	reflect.TypeFor[slot]():                   "Slot",
	reflect.TypeFor[statusAnswer]():           "Status",
	reflect.TypeFor[Sink]():                   "Sink",
	reflect.TypeFor[Spool]():                  "Spool",
	reflect.TypeFor[PausedSource]():           "PausedSource",
	reflect.TypeFor[Verified]():               "Verified",
	reflect.TypeFor[Listed]():                 "Listed",
	reflect.TypeFor[ListedPack]():             "ListedPack",
	reflect.TypeFor[Refusal]():                "Refusal",
	reflect.TypeFor[evidence.LedgerStatus]():  "Ledger",
	reflect.TypeFor[evidence.LedgerProblem](): "LedgerProblem",
	reflect.TypeFor[evidence.LedgerAnchor]():  "LedgerAnchor",
	reflect.TypeFor[evidence.LedgerWaits]():   "LedgerWaits",
	reflect.TypeFor[problem]():                "Error",
	reflect.TypeFor[evidence.Ack]():           "Ack",
}

// TestOpenAPITypes: each object has the properties of its Go type, of the same
// types; those are required that are always there.
func TestOpenAPITypes(t *testing.T) {
	t.Parallel()
	schemas := openapi.Read(t, openAPIFile).Components.Schemas
	for typ, name := range documented {
		s := schemas[name]
		got := make(map[string]string)
		for key, p := range s.Properties {
			got[key] = documentedType(p)
			if slices.Contains(s.Required, key) {
				got[key] += ", required"
			}
		}
		want := make(map[string]string)
		properties(typ, want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (- Go, + openapi.yaml): %s", name, diff)
		}
	}
	for name, s := range schemas {
		if s.Type == "object" && !slices.Contains(slices.Collect(maps.Values(documented)), name) {
			t.Errorf("%s is no Go type", name)
		}
	}
}

// properties collects the type of each field that a struct has in JSON.
func properties(typ reflect.Type, into map[string]string) {
	for f := range typ.Fields() {
		tag := f.Tag.Get("json")
		if f.Anonymous && tag == "" {
			embedded := f.Type
			if embedded.Kind() == reflect.Pointer { // absent as a whole
				for inner := range embedded.Elem().Fields() {
					into[inner.Tag.Get("json")] = goType(inner.Type)
				}
				continue
			}
			properties(embedded, into)
			continue
		}
		if tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		into[name] = goType(f.Type)
		if options == "" {
			into[name] += ", required"
		}
	}
}

// goType is what a Go type is in JSON.
func goType(typ reflect.Type) string {
	if name, ok := documented[typ]; ok {
		return name
	}
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return "string date-time"
	case typ == reflect.TypeFor[fault.Reason]():
		return "Reason"
	case typ == reflect.TypeFor[evidence.State]():
		return "SlotState"
	case typ.Kind() == reflect.Pointer:
		return goType(typ.Elem())
	case typ.Kind() == reflect.Slice:
		return "array of " + goType(typ.Elem())
	case typ.Kind() == reflect.Map:
		return "object of " + goType(typ.Elem())
	case typ.Kind() == reflect.Bool:
		return "boolean"
	case typ.Kind() == reflect.Int, typ.Kind() == reflect.Int64:
		return "integer"
	}
	return typ.Kind().String()
}

// documentedType is goType of a property. A pack's state is a plain string in Go.
func documentedType(s openapi.Schema) string {
	switch {
	case s.Name() == "PackState":
		return "string"
	case s.Ref != "":
		return s.Name()
	case s.Items != nil:
		return "array of " + documentedType(*s.Items)
	case s.Additional != nil:
		return "object of " + documentedType(*s.Additional)
	case s.Format != "":
		return s.Type + " " + s.Format
	}
	return s.Type
}

// TestOpenAPIWords: each enumeration is that of the program.
func TestOpenAPIWords(t *testing.T) {
	t.Parallel()
	schemas := openapi.Read(t, openAPIFile).Components.Schemas
	enums := map[string][]string{
		"PackState":   slices.Collect(maps.Keys(english().states)),
		"SlotState":   words(evidence.Sealed, evidence.Gapped),
		"Reason":      words(fault.Reasons()...),
		"ProblemKind": words(archive.Kinds()...),
	}
	for name, want := range enums {
		got := schemas[name].Enum
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (- Go, + openapi.yaml): %s", name, diff)
		}
	}
	for name, s := range schemas {
		if _, ok := enums[name]; s.Enum != nil && !ok {
			t.Errorf("%s is not compared", name)
		}
	}
	for at, name := range map[string]string{
		schemas["Pack"].Properties["state"].Name():                      "PackState",
		schemas["Verified"].Properties["problems"].PropertyNames.Name(): "ProblemKind",
	} {
		if at != name {
			t.Errorf("%s is %q", name, at)
		}
	}
}

func words[S ~string](all ...S) (list []string) {
	for _, w := range all {
		list = append(list, string(w))
	}
	return list
}

// TestOpenAPIRoutes: what is served is documented, but for the pages, and the
// other way round; so are the parameters of /api/v1/slots.
func TestOpenAPIRoutes(t *testing.T) {
	t.Parallel()
	s, err := New(options(0))
	if err != nil {
		t.Fatal(err)
	}
	pages := []string{"GET /{$}", "GET /packs/{source}/{pack...}", "GET /statement", "GET " + stylePath}
	want := slices.DeleteFunc(slices.Sorted(maps.Keys(s.routes())), func(r string) bool { return slices.Contains(pages, r) })
	api := openapi.Read(t, openAPIFile)
	var got []string
	for path, methods := range api.Paths {
		for method := range methods {
			got = append(got, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (- served, + documented): %s", diff)
	}
	var names []string
	for _, p := range api.Paths["/api/v1/slots"]["get"].Parameters {
		names = append(names, p.Name)
		if required := p.Name == "source" || p.Name == "pack"; p.Required != required {
			t.Errorf("%s: required is %v", p.Name, p.Required)
		}
		if s := p.Schema; p.Name == "limit" && (s.Minimum != 1 || s.Maximum != maxLimit || s.Default != defaultLimit) {
			t.Errorf("limit: from %d to %d, default %v", s.Minimum, s.Maximum, s.Default)
		}
		if p.Name == "state" && p.Schema.Name() != "SlotState" {
			t.Errorf("state is %q", p.Schema.Name())
		}
	}
	if diff := cmp.Diff(parameters, names); diff != "" {
		t.Errorf("parameters (- taken, + documented): %s", diff)
	}
}

// TestOpenAPIAnswers: a running server gives every answer that is documented,
// and each is as documented.
func TestOpenAPIAnswers(t *testing.T) {
	t.Parallel()
	api := openapi.Read(t, openAPIFile)
	given := make(map[string]bool)
	ask := func(server *running, method, path string) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+server.addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := server.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close() //nolint:errcheck // read only
		if err != nil {
			t.Fatal(err)
		}
		api.Check(method, path, answer.StatusCode, answer.Header, body)
		path, _, _ = strings.Cut(path, "?")
		given[fmt.Sprint(method, " ", path, " ", answer.StatusCode)] = true
	}
	const slots = "/api/v1/slots?source=prod&pack=cp-a"
	paths := []string{"/api/v1/packs", slots, slots + "&limit=3", "/api/v1/slots", "/api/v1/slots?source=prod&pack=cp-z", "/api/v1/status", "/api/v1/ledger", "/metrics", "/-/healthy", "/-/ready"}
	locked := filepath.Join(t.TempDir(), "web.yaml")
	write(t, locked, "basic_auth_users: {auditor: "+hash+"}\n")
	for _, opts := range servers() {
		for _, file := range []string{"", locked} {
			server := run(t, opts, file, nil)
			for _, path := range paths {
				ask(server, "GET", path)
			}
			ask(server, "POST", "/-/reload")
		}
	}
	for path, methods := range api.Paths {
		for method, o := range methods {
			for status := range o.Responses {
				// More than maxScrapes at once: TestScrapes of the fault injection.
				if id := strings.ToUpper(method) + " " + path + " " + status; !given[id] && id != "GET /metrics 503" {
					t.Errorf("%s is documented and was not answered", id)
				}
			}
		}
	}
}

// servers are what makes each of the answers.
func servers() []Options {
	full := sealedPack("cp-a", "MLPS")
	full.Labels, full.Trouble = map[string]string{"owner": "sec"}, "no answer"
	full.Paused = &Pause{Since: midnight, Until: midnight.Add(time.Hour), By: "bob", Why: "move"}
	unread := withState(Pack{Source: "prod", Key: "cp-a", TimeZone: "UTC"}, StateReading)
	well := options(10, full, gapPack("cp-g", ""), withState(sealedPack("cp-o", ""), StateOverdue))
	well.Reload = func() error { return nil }
	well.Ledger = shownLedger
	closed := options(10, unread)
	broken := func(reason error) Options {
		opts := options(0, full)
		opts.Records = func(context.Context, Query) iter.Seq2[evidence.Record, error] {
			return func(yield func(evidence.Record, error) bool) { yield(evidence.Record{}, reason) }
		}
		opts.Reload = func() error { return reason }
		opts.Ready = func() error { return reason }
		opts.Status = func() Status {
			return Status{
				Sinks:    []Sink{{Name: "primary", Down: midnight, Why: "refused"}},
				Spool:    Spool{Reports: 2, Bytes: 4096, Free: -1, Full: true},
				Paused:   []PausedSource{{"prod", *full.Paused}},
				Verified: Verified{Passed: midnight, Problems: map[string]int{string(archive.Missing): 1}},
			}
		}
		return opts
	}
	return []Options{well, closed, broken(errors.New("a bug")), broken(fault.New(fault.SinkUnavailable, "no answer").WithHint("wait"))}
}
