package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"packseal.example/config/strictyaml"
	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

// maxSize bounds the file, in bytes: a hundred thousand packs with names, account
// groups and schedules of their own take most of it.
const maxSize = 16 << 20

// maxValues bounds the work on one file. A hundred thousand packs of five
// settings each take half of it.
const maxValues = 1 << 21

// initHint is for files that are no configuration at all.
const initHint = "packseal init writes a commented example"

// Load reads, decodes and checks a configuration file. Warnings are returned
// beside the configuration. An error is an *Error, which holds the warnings too.
func Load(path string) (*Config, []fault.Problem, error) {
	b, err := read(path)
	if err != nil {
		p := fault.Problem{Message: err.Error()}
		if errors.Is(err, fs.ErrNotExist) {
			p.Hint = initHint
		}
		return nil, nil, newError([]Fault{{Problem: p, File: filepath.Clean(path)}})
	}
	return Parse(path, b)
}

// LoadWeb reads how the page is served, and nothing else: what is wrong elsewhere
// in the file may not concern a daemon that runs with an older one.
func LoadWeb(path string) (Web, error) {
	b, err := read(path)
	if err != nil {
		return Web{}, newError([]Fault{{Problem: fault.Problem{Message: err.Error()}, File: path}})
	}
	return decode(path, b).Web, nil
}

// StateDir returns the state_dir of a configuration file, also of one that is not
// valid; the default where it can't be read.
func StateDir(path string) string {
	b, err := read(path)
	if err != nil {
		return Default().StateDir
	}
	return decode(path, b).StateDir
}

// read reads the file, up to one byte more than is allowed.
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
		err = pe.Err // the message begins with the file's name anyway
	}
	return nil, fmt.Errorf("reading the configuration: %w", err)
}

// Parse is [Load] for content at hand. The name is the one that faults are
// reported under; relative paths start from its folder.
func Parse(name string, b []byte) (*Config, []fault.Problem, error) {
	c := decode(name, b)
	faults := located(c.file, c.doc)
	var warnings []fault.Problem
	if c.doc.Complete {
		more, complete := c.loadPacks()
		faults = append(faults, more...)
		var problems []fault.Problem
		if complete {
			// What could not be decoded is not reported as missing or wrong too.
			problems = slices.DeleteFunc(c.check(), func(p fault.Problem) bool { return c.blames(p.Path) })
		}
		slices.SortStableFunc(problems, func(x, y fault.Problem) int { return compareFaults(c.Locate(x), c.Locate(y)) })
		for _, p := range problems {
			faults = append(faults, c.Locate(p))
		}
		for _, f := range faults {
			if f.Warning {
				warnings = append(warnings, f.Problem)
			}
		}
	}
	if len(warnings) < len(faults) {
		return nil, nil, newError(faults)
	}
	c.shareCredentials()
	c.Defaults.Source = cmp.Or(c.Defaults.Source, c.onlySource()) // before there are members
	return c, warnings, nil
}

// located returns the faults of decoding a file.
func located(name string, doc *strictyaml.Document) []Fault {
	faults := make([]Fault, 0, len(doc.Faults))
	for _, f := range doc.Faults {
		faults = append(faults, Fault{
			Problem: fault.Problem{Path: f.Path, Message: f.Message, Hint: f.Hint},
			File:    name, Line: f.Line, Column: f.Column,
		})
	}
	return faults
}

// Locate returns a problem with its place in its file: that of its path or, when
// the key itself is missing, of what it is missing in.
func (c *Config) Locate(p fault.Problem) Fault {
	in, path := c.origin(p.Path)
	f := Fault{Problem: p, File: in.name}
	f.Path = path
	f.Line, f.Column = in.doc.Locate(path)
	return f
}

// decode decodes the file over the defaults, without judging it as a whole.
func decode(name string, b []byte) *Config {
	c := Default()
	c.file = filepath.Clean(name) // as the names of the other files are
	c.doc = strictyaml.Decode(b, &c, options(name))
	return &c
}

// options are the rules by which a file is decoded.
func options(name string) strictyaml.Options {
	return strictyaml.Options{
		MaxBytes: maxSize, MaxValues: maxValues,
		EmptyHint:  initHint,
		MergeHint:  "put what packs have in common under defaults",
		UnknownKey: unknownKeyHint,
		Sensitive: map[reflect.Type]strictyaml.Sensitive{
			// The value may be the secret itself.
			reflect.TypeFor[secret.File](): {
				Name: "the name of a file",
				Hint: "secrets are never in this file: put it into a file of its own and name that file here",
			},
		},
		Variable: func(path, name string) bool {
			return name == credentialsVariable && (namesFile(path) || namesFolder(path)) || strings.HasSuffix(path, ".template")
		},
		Text: resolver(filepath.Dir(name)).text,
	}
}

// unknownKeyHint is the hint for an unknown key. One that looks as if a secret
// came after it gets advice on secrets.
func unknownKeyHint(key string, known []string) string {
	if file := key + "_file"; slices.Contains(known, file) {
		return "secrets come from files or the environment: put it into a file of its own and name that file with " + file
	}
	if strings.HasSuffix(key, "_file") && slices.Contains(known, "credentials") {
		return "keys that sign requests are named under credentials"
	}
	if strictyaml.Nearest(key, known) == "" && secretive(key) {
		return "secrets come from files or the environment, never from this file"
	}
	return strictyaml.KnownKeyHint(key, known)
}

// secretive reports whether a key looks like that of a secret.
func secretive(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{"secret", "password", "token", "access_key"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}
