// Package strictyaml decodes one YAML document into a struct and reports
// everything that is wrong with it at once: unknown and repeated keys, values of
// the wrong kind, text that is not YAML. Each [Fault] has its path, its place in
// the text and, where there is one, a hint.
//
// It differs from the YAML package's own strict decoder in that it does not stop
// at the first fault, takes no value for another kind's (5 is not text, "yes" is
// not true), and remembers the place of every path, so that checks made later
// can name lines too.
//
// Structs are decoded by their yaml tags, maps have text as keys, and scalars
// are text, booleans, numbers that are not negative, [time.Duration] ("90s", "7d"),
// [units.Size] ("64MiB") and [time.Time] (a date or an RFC 3339 time). Other kinds need no support: the set
// of types is the caller's own. Aliases are followed; merge keys are not.
package strictyaml

import (
	"reflect"
	"strings"
)

// Options are the rules of one format. A zero field means its default.
type Options struct {
	MaxBytes  int // of the text; default 16 MiB
	MaxValues int // keys, values and items, those of aliases counted each time; default 2,097,152

	// MayBeEmpty permits a document that holds nothing, or comments alone.
	MayBeEmpty bool
	// EmptyHint is the hint for a document that is empty or no mapping.
	EmptyHint string
	// MergeHint is the hint for a merge key (<<).
	MergeHint string

	// UnknownKey returns the hint for a key that is not known where it stands.
	// Default: [KnownKeyHint].
	UnknownKey func(key string, known []string) string

	// Sensitive are the types of text whose values must not be shown when they
	// are of the wrong kind. Such a fault has the name and the hint given here.
	Sensitive map[reflect.Type]Sensitive

	// Variable reports whether a value may hold this variable (NAME for $NAME,
	// ${NAME} and $(NAME)): nothing is expanded, so elsewhere it is a mistake.
	// Default: nowhere.
	Variable func(path, name string) bool

	// Text, if set, is shown each value of text that is not empty, and returns
	// what to store. A fault that it returns needs neither path nor place.
	Text func(path, text string) (string, *Fault)
}

// Sensitive describes values that must not be shown.
type Sensitive struct {
	Name string // what is expected, such as "the name of a file"
	Hint string
}

// Fault is one thing that is wrong with a document.
type Fault struct {
	Path    string // such as "sinks[0].s3.bucket"; empty for the whole document
	Message string // what was found, what is expected
	Hint    string // what to write instead, or empty
	Line    int    // from 1; 0 when it has no place
	Column  int    // from 1
}

// Document is what is known of a text that was decoded.
type Document struct {
	Faults []Fault // in no particular order

	// Complete reports whether the whole document was looked at. When it was not
	// (no YAML, too large, too many values), checking the value that it was
	// decoded into would blame what was never read.
	Complete bool

	values int
	places map[string]place
	blank  map[string]bool // the paths of text that is empty
}

// Blank reports whether the value at the path is there, as text that is empty.
func (d *Document) Blank(path string) bool { return d.blank[path] }

// place is a position in the text, both from 1.
type place struct{ line, column int }

// Decode decodes the one YAML document in text into the struct that v points to.
// Fields without a value in the document are left as they are; so are those
// whose value is null.
func Decode(text []byte, v any, o Options) *Document {
	if o.MaxBytes == 0 {
		o.MaxBytes = 16 << 20
	}
	if o.MaxValues == 0 {
		o.MaxValues = 1 << 21
	}
	if o.UnknownKey == nil {
		o.UnknownKey = KnownKeyHint
	}
	if o.Variable == nil {
		o.Variable = func(string, string) bool { return false }
	}
	doc := &Document{places: map[string]place{}, blank: map[string]bool{}}
	root, bad := parse(text, o)
	if bad != nil {
		doc.Faults = []Fault{*bad}
		return doc
	}
	d := &decoder{Options: o, Document: doc}
	d.value("", root, reflect.ValueOf(v).Elem())
	doc.Complete = doc.values < o.MaxValues
	return doc
}

// Locate returns the place of a path: its own or, when it is not in the
// document, that of the nearest path around it. Without any it returns zeros.
func (d *Document) Locate(path string) (line, column int) {
	for ; path != ""; path = path[:max(strings.LastIndexAny(path, ".["), 0)] {
		if at, ok := d.places[path]; ok {
			return at.line, at.column
		}
	}
	return 0, 0
}

// Blames reports whether a fault was found at the path, inside it or around it.
func (d *Document) Blames(path string) bool {
	within := func(inner, outer string) bool {
		rest, ok := strings.CutPrefix(inner, outer)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	for _, f := range d.Faults {
		if f.Path != "" && (within(path, f.Path) || within(f.Path, path)) {
			return true
		}
	}
	return false
}
