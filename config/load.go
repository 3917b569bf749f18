package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"packseal.example/internal/fault"
)

// maxSize bounds the file: a hundred thousand packs with names, account
// groups and schedules of their own take most of it.
const maxSize = 16 << 20

// Load reads, decodes and checks a configuration file. The error is an
// *Error; it holds the warnings too, which otherwise are returned beside the
// configuration.
func Load(path string) (*Config, []fault.Problem, error) {
	b, err := read(path)
	if err != nil {
		p := fault.Problem{Message: err.Error()}
		if errors.Is(err, fs.ErrNotExist) {
			p.Hint = "packseal init writes a commented one"
		}
		return nil, nil, newError([]Fault{{Problem: p, File: path}})
	}
	return Parse(path, b)
}

// read reads the file, up to a byte more than is allowed.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var b []byte
		if b, err = io.ReadAll(io.LimitReader(f, maxSize+1)); err == nil {
			return b, nil
		}
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err // the file is named before the message anyway
	}
	return nil, fmt.Errorf("reading the configuration: %w", err)
}

// Parse is [Load] for content that is at hand. The name is what faults are
// reported under, and its folder is where relative paths start from.
func Parse(name string, b []byte) (*Config, []fault.Problem, error) {
	c, d, faults := decode(name, b)
	if len(faults) == 0 {
		faults = d.faults
		for _, p := range c.check() {
			// What could not be decoded is not also missing or wrong.
			if !blamed(d.faults, p.Path) {
				faults = append(faults, c.Locate(p))
			}
		}
	}
	sortFaults(faults)
	var warnings []fault.Problem
	for i := range faults {
		faults[i].File = name
		if faults[i].Warning {
			warnings = append(warnings, faults[i].Problem)
		}
	}
	if len(warnings) < len(faults) {
		return nil, nil, newError(faults)
	}
	return c, warnings, nil
}

// Locate finds the place of a problem in the file: that of its path, or of
// what the path is in when the key itself is missing.
func (c *Config) Locate(p fault.Problem) Fault {
	f := Fault{Problem: p, File: c.file}
	for path := p.Path; path != ""; path = path[:max(strings.LastIndexAny(path, ".["), 0)] {
		if at, ok := c.places[path]; ok {
			f.Line, f.Column = at.line, at.column
			break
		}
	}
	return f
}

// decode makes a Config of the file without judging it as a whole. What keeps
// it from looking at the content at all is returned as faults.
func decode(name string, b []byte) (*Config, *decoder, []Fault) {
	root, faults := document(b)
	if len(faults) > 0 {
		return nil, nil, faults
	}
	c := Default()
	d := &decoder{base: filepath.Dir(name), places: map[string]place{}}
	d.value("", root, reflect.ValueOf(&c).Elem())
	if d.visits >= maxVisits {
		return nil, nil, d.faults // to check half of it would only take long
	}
	c.file, c.places = name, d.places
	return &c, d, nil
}

// document reads the one YAML document of the file.
func document(b []byte) (*yaml.Node, []Fault) {
	fail := func(line int, hint, format string, args ...any) (*yaml.Node, []Fault) {
		return nil, []Fault{{Line: line, Problem: fault.Problem{Message: fmt.Sprintf(format, args...), Hint: hint}}}
	}
	if len(b) > maxSize {
		return fail(0, "", "the file is over %d MiB", maxSize>>20)
	}
	if line := invalidUTF8(b); line > 0 {
		return fail(line, "save the file as UTF-8", "the text is not UTF-8")
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && doc.Content[0].ShortTag() == "!!null" {
		return fail(0, "packseal init writes a commented one", "the file is empty")
	}
	if err == nil {
		if err = dec.Decode(&second); errors.Is(err, io.EOF) {
			root := doc.Content[0]
			if root.Kind != yaml.MappingNode {
				return fail(root.Line, "packseal init writes a commented example", "expected keys and values, found %s", found(root))
			}
			return root, nil
		}
	}
	if err != nil {
		line, message := syntax(err)
		return fail(line, syntaxHint(message), "%s", message)
	}
	return fail(second.Line, `remove the "---" line and what follows it, or join the two`, "a second document begins here")
}

// invalidUTF8 returns the line of the first byte that is not UTF-8, or 0.
func invalidUTF8(b []byte) int {
	line := 1
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			return line
		}
		if r == '\n' {
			line++
		}
		b = b[size:]
	}
	return 0
}

// syntax takes the YAML package's message apart.
func syntax(err error) (line int, message string) {
	m := regexp.MustCompile(`^yaml: (?:line (\d+): )?`).FindStringSubmatch(err.Error())
	if m == nil {
		return 0, err.Error()
	}
	line, _ = strconv.Atoi(m[1])
	return line, err.Error()[len(m[0]):]
}

// syntaxHint explains the messages that people meet most.
func syntaxHint(message string) string {
	switch {
	case strings.Contains(message, "cannot start any token"):
		return "indent with spaces, not tabs, and quote values that begin with @, `, % or *"
	case strings.Contains(message, "mapping values are not allowed"):
		return "check the indentation; quote values that hold a colon and a space"
	case strings.Contains(message, "did not find expected"):
		return "check the indentation, the quotes and the brackets above"
	}
	return ""
}

// blamed reports whether a fault was found at the path, in it or around it.
func blamed(faults []Fault, path string) bool {
	within := func(inner, outer string) bool {
		rest, ok := strings.CutPrefix(inner, outer)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	for _, f := range faults {
		if f.Path != "" && (within(path, f.Path) || within(f.Path, path)) {
			return true
		}
	}
	return false
}
