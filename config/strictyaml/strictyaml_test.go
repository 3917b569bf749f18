package strictyaml

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"packseal.example/internal/units"
)

// secretFile is a type whose values must not be shown.
type secretFile string

// format has a field of each kind.
type format struct {
	Text    string            `yaml:"text"`
	Flag    bool              `yaml:"flag"`
	Count   int64             `yaml:"count"`
	Rate    float64           `yaml:"rate"`
	Wait    time.Duration     `yaml:"wait"`
	Room    units.Size        `yaml:"room"`
	Since   time.Time         `yaml:"since"`
	Maybe   *time.Duration    `yaml:"maybe,omitempty"`
	Secret  secretFile        `yaml:"secret"`
	List    []item            `yaml:"list"`
	Table   map[string]string `yaml:"table"`
	Inner   *item             `yaml:"inner"`
	Ignored string            `yaml:"-"`
	nothing string
}

type item struct {
	Name string   `yaml:"name"`
	Tags []string `yaml:"tags"`
}

// decoded decodes with the options of the tests.
func decoded(text string) (format, *Document) {
	f := format{Text: "default", nothing: "left alone"}
	doc := Decode([]byte(text), &f, Options{
		MaxBytes: 2 << 20, MaxValues: 1000, EmptyHint: "see the example", MergeHint: "use defaults",
		Sensitive: map[reflect.Type]Sensitive{reflect.TypeFor[secretFile](): {"the name of a file", "never here"}},
		Text: func(path, text string) (string, *Fault) {
			if text == "forbidden" {
				return text, &Fault{Message: path + " is forbidden", Hint: "take another"}
			}
			return strings.TrimPrefix(text, "~/"), nil
		},
	})
	return f, doc
}

func TestDecode(t *testing.T) {
	t.Parallel()
	got, doc := decoded(`
flag: true
count: 7
rate: 1.5
wait: 1d12h
room: 64 MiB
since: 2026-02-03T08:00:00+08:00
maybe: 0s
secret: key.pem
list: [{name: &n ~/a, tags: [x, "5"]}, {name: *n}]
table: {b: c, "": d}
inner: {}
`)
	want := format{
		Text: "default", Flag: true, Count: 7, Rate: 1.5, Wait: 36 * time.Hour, Room: 64 << 20, Since: time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC),
		Maybe: new(time.Duration), Secret: "key.pem", List: []item{{"a", []string{"x", "5"}}, {Name: "a"}},
		Table: map[string]string{"b": "c", "": "d"}, Inner: &item{}, nothing: "left alone",
	}
	if d := diff.Diff(want, got, diff.AllowUnexported(format{})); d != "" || len(doc.Faults) > 0 || !doc.Complete {
		t.Errorf("%+v\n%s", doc.Faults, d)
	}
	if got, doc = decoded("text: ~\nsince: 2026-02-03\ninner: ~\n"); got.Text != "default" || got.Inner != nil || len(doc.Faults) > 0 || got.Since.Hour() != 0 {
		t.Errorf("with nulls: %+v, %v", got, doc.Faults)
	}
}

// lines writes faults one a line, in the order of their places.
func lines(doc *Document) string {
	slices.SortStableFunc(doc.Faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	var b strings.Builder
	for _, f := range doc.Faults {
		fmt.Fprintf(&b, "%d:%d %s: %s (%s)\n", f.Line, f.Column, f.Path, f.Message, f.Hint)
	}
	return b.String()
}

// TestFaults: every fault is found, with its path, its place and its hint.
func TestFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"text: 5\nflag: yes\ncount: 1.5\nrate: .nan\n": `1:7 text: expected text, found the number 5 (put it in quotes if it is meant as text)
2:7 flag: expected true or false, found "yes" ()
3:8 count: expected a whole number, found the number 1.5 ()
4:7 rate: must be a finite number ()
`,
		"wait: 5\nmaybe: -5s\nsince: soon\n": `1:7 wait: expected a duration, found the number 5 (a number with its unit: 0s, 90s, 10m, 1h30m, 7d, 2w, 1y)
2:8 maybe: must not be negative, found -5s (a number with its unit: 0s, 90s, 10m, 1h30m, 7d, 2w, 1y)
3:8 since: "soon" is not a date or a time (2026-01-31, or 2026-01-31T08:00:00+08:00)
`,
		"count: -1\nrate: 99e999\n\"wait\": \"0\"\n": `1:8 count: must not be negative, found -1 ()
2:7 rate: expected a number, found "99e999" ()
3:9 wait: "0" is not a duration (a number with its unit: 0s, 90s, 10m, 1h30m, 7d, 2w, 1y)
`,
		"count: 0365\nrate: 1e3\nlist: [{tags: [\"0365\"]}]\n": `1:8 count: 0365 would be read as 245: write it in plain digits, without zeros before them ()
2:7 rate: 1e3 would be read as 1000: write it in plain digits, without zeros before them ()
`,
		"text: ${HOME}\nlist: [{name: a$B_1$C}, {name: $(POD)}]\ncount: ${N:-5}\nsecret: $SECRET\n": `1:7 text: ${HOME} is not expanded (write the value itself: nothing is put in place of variables here)
2:15 list[0].name: $B_1 is not expanded (write the value itself: nothing is put in place of variables here)
2:32 list[1].name: $(POD) is not expanded (write the value itself: nothing is put in place of variables here)
3:8 count: ${N:-5} is not expanded (write the value itself: nothing is put in place of variables here)
4:9 secret: a variable is not expanded (write the value itself: nothing is put in place of variables here)
`,
		"secret: 12345\ntext: forbidden\n": `1:9 secret: expected the name of a file (never here)
2:7 text: text is forbidden (take another)
`,
		"txet: a\nlist: [{nam: b}, c]\n\"a b\": 1\nIgnored: x\n": `1:1 txet: unknown key (did you mean "text"?)
2:9 list[0].nam: unknown key (did you mean "name"?)
2:18 list[1]: expected keys and values, found "c" ()
3:1 "a b": unknown key (known here: text, flag, count, rate, wait, room, since, maybe, secret, list, table, inner)
4:1 Ignored: unknown key (known here: text, flag, count, rate, wait, room, since, maybe, secret, list, table, inner)
`,
		"room: 1 M\nwait: 300y\n": `1:7 room: "1 M" is not a size (a number of bytes, or one with its unit: 512KiB, 64MiB, 1GB)
2:7 wait: "300y" is too long a time, the limit is 292y (a number with its unit: 0s, 90s, 10m, 1h30m, 7d, 2w, 1y)
`,
		"room: 1.5\nwait: 0\n": `1:7 room: expected a size, found the number 1.5 (a number of bytes, or one with its unit: 512KiB, 64MiB, 1GB)
2:7 wait: expected a duration, found the number 0 (a number with its unit: 0s, 90s, 10m, 1h30m, 7d, 2w, 1y)
`,
		"text: a\ntext: b\n[c]: d\n<<: {}\nlist: {}\n": `2:1 text: duplicate key, first on line 1 (remove one of the two)
3:1 : a key must be text, not a list ()
4:1 : merge keys (<<) are not supported (use defaults)
5:7 list: expected a list, found keys and values (begin each item with "- ")
`,
	} {
		_, doc := decoded(text)
		if d := diff.Diff(want, lines(doc)); d != "" || !doc.Complete {
			t.Errorf("%s: %s", text, d)
		}
	}
}

// TestNumbers: what YAML reads in a way of its own is refused, with what it reads.
func TestNumbers(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"0": "", "7": "", "365": "", "9223372036854775807": "",
		"007": "7", "0o17": "15", "0x1F": "31", "0b101": "5", "1_000": "1000", "+5": "5",
		"1e3": "a whole number", "1:30": "a whole number", "08": "a whole number", "${N}": "not expanded",
	} {
		_, doc := decoded("count: " + value + "\n")
		if got := lines(doc); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("count: %s: %s", value, got)
		}
	}
	for value, want := range map[string]string{"0": "", "2.5": "", "10": "", "0.05": "", ".5": "0.5", "1.": "1", "5e-1": "0.5", "0x10": "16", "010": "8", "1_0.5": "10.5"} {
		_, doc := decoded("rate: " + value + "\n")
		if got := lines(doc); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("rate: %s: %s", value, got)
		}
	}
}

// TestVariable: one that is allowed where it stands is a value as it is.
func TestVariable(t *testing.T) {
	t.Parallel()
	var f format
	doc := Decode([]byte("text: $A/${A}/$$/$5/$\ninner: {name: $A}\n"), &f, Options{
		Variable: func(path, name string) bool { return path == "text" && name == "A" },
	})
	if f.Text != "$A/${A}/$$/$5/$" || len(doc.Faults) != 1 || doc.Faults[0].Path != "inner.name" {
		t.Errorf("%q, %+v", f.Text, doc.Faults)
	}
}

// TestNoDocument: what is no mapping is one fault, and nothing was looked at.
func TestNoDocument(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                           "0:0 : the file is empty (see the example)\n",
		"# nothing\n":                "0:0 : the file is empty (see the example)\n",
		"- text\n":                   "1:0 : expected keys and values, found a list (see the example)\n",
		"text: a\n---\ntext: b\n":    "2:0 : a second document begins here (remove the \"---\" line and what follows it, or join the two)\n",
		"text: a\n---\n[\n":          "3:0 : did not find expected node content (check the indentation, the quotes and the brackets above)\n",
		"list:\n\ttext: a\n":         "2:0 : found character that cannot start any token (indent with spaces, not tabs, and quote values that begin with @, `, % or *)\n",
		"text: a: b\n":               "0:0 : mapping values are not allowed in this context (check the indentation; quote values that hold a colon and a space)\n",
		"text: *a\n":                 "0:0 : unknown anchor 'a' referenced ()\n",
		"text: a\n\"\xff\": b\n":     "2:0 : the text is not UTF-8 (save the file as UTF-8)\n",
		strings.Repeat("#\n", 2<<20): "0:0 : the file is over 2 MiB ()\n",
	} {
		got, doc := decoded(text)
		if d := diff.Diff(want, lines(doc)); d != "" || doc.Complete || got.Text != "default" {
			t.Errorf("%.40q: %s", text, d)
		}
	}
}

// TestBounds: aliases that stand for more values than are allowed end the
// decoding, and so do faults that nobody would read.
func TestBounds(t *testing.T) {
	t.Parallel()
	_, doc := decoded("list: [{tags: &t [" + strings.Repeat("x,", 90) + "]}" + strings.Repeat(", {tags: *t}", 10) + "]\n")
	if len(doc.Faults) != 1 || doc.Faults[0].Message != "more than 1000 values, aliases counted each time" || doc.Complete {
		t.Errorf("%+v", doc.Faults)
	}
	f := format{}
	doc = Decode([]byte("list: ["+strings.Repeat("x,", 5000)+"]\n"), &f, Options{})
	if len(doc.Faults) != maxFaults+1 || !doc.Complete {
		t.Errorf("%d faults", len(doc.Faults))
	}
}

func TestLocateAndBlames(t *testing.T) {
	t.Parallel()
	_, doc := decoded("list:\n  - name: a\n    tags: [b, 5]\ntable: {x.y: z}\n")
	for path, want := range map[string]string{
		"list": "1:1", "list[0].name": "2:5", "list[0].tags[1]": "3:15", "list[0].nothing.at.all": "2:5",
		"list[7].name": "1:1", "table.x.y": "4:9", "nothing": "0:0", "": "0:0",
	} {
		line, column := doc.Locate(path)
		if got := fmt.Sprintf("%d:%d", line, column); got != want {
			t.Errorf("%q is at %s, want %s", path, got, want)
		}
	}
	for path, want := range map[string]bool{
		"list[0].tags[1]": true, "list[0].tags": true, "list": true, "list[0].tags[1].x": true,
		"list[0].tags[10]": false, "list[0].name": false, "lis": false, "table": false, "": false,
	} {
		if doc.Blames(path) != want {
			t.Errorf("%q: %t", path, !want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"schedule", "source", "since", "id"}
	for word, want := range map[string]string{
		"shedule": "schedule", "Schedule": "schedule", "scheduel": "schedule", "sorce": "source",
		"ID": "id", "is": "id", "xyz": "", "": "", strings.Repeat("schedule", 20): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
