package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"packseal.example/config/strictyaml"
	"packseal.example/internal/fault"
)

// packsHint is for a file that holds no packs.
const packsHint = "a file of packs is written like the packs of the configuration: packs: [{id: cp-…}]"

// packs is what is in a file of packs.
type packs struct {
	Packs []Pack `yaml:"packs"`
}

// packsFile is a file of packs that the configuration names.
type packsFile struct {
	name  string
	doc   *strictyaml.Document
	first int // the index of its first pack among those of the configuration
}

// PacksPattern returns the packs_file of a configuration file, also of one that is
// not valid; "" where there is none.
func PacksPattern(path string) string {
	b, err := read(path)
	if err != nil {
		return ""
	}
	return decode(path, b).PacksFile
}

// PacksFiles returns the names of the files that a packs_file stands for, in their
// order. A name that is no pattern stands for itself, whether there is such a file or
// not. As in a shell, names that begin with a dot fit only a pattern that does: editors
// and Kubernetes have files of their own there.
func PacksFiles(pattern string) ([]string, error) {
	if _, err := os.Lstat(pattern); err == nil || pattern == "" || !strings.ContainsAny(pattern, `*?[\`) {
		return slices.DeleteFunc([]string{pattern}, func(name string) bool { return name == "" }), nil
	}
	names, err := filepath.Glob(pattern)
	return slices.DeleteFunc(names, func(name string) bool { return hidden(name, pattern) }), err
}

// hidden reports whether a dot at the beginning of a name, or of a folder in its path,
// was fitted by a wildcard.
func hidden(name, pattern string) bool {
	names, patterns := strings.Split(filepath.Clean(name), "/"), strings.Split(filepath.Clean(pattern), "/")
	for i := range min(len(names), len(patterns)) {
		if strings.HasPrefix(names[i], ".") && strings.ContainsAny(patterns[i][:1], `*?[`) {
			return true
		}
	}
	return false
}

// loadPacks adds the packs of the files that the configuration names. It reports
// whether each file could be looked at as a whole.
func (c *Config) loadPacks() (faults []Fault, complete bool) {
	if c.PacksFile == "" && !c.doc.Blank("packs_file") {
		return nil, true
	}
	fail := func(hint, format string, args ...any) ([]Fault, bool) {
		return []Fault{c.Locate(fault.Problem{Path: "packs_file", Message: fmt.Sprintf(format, args...), Hint: hint})}, false
	}
	names, err := PacksFiles(c.PacksFile)
	switch {
	case c.PacksFile == "":
		return fail("leave it out, or name a file: packs_file: packs.d/*.yaml", "must not be empty")
	case strings.Contains(c.PacksFile, "**") && !slices.Equal(names, []string{c.PacksFile}):
		return fail("* stands for names in one folder: packs.d/*.yaml, or of each folder in it packs.d/*/*.yaml", "** in %.200q does not stand for folders at any depth", c.PacksFile)
	case err != nil:
		return fail(`write \[ for a bracket`, "%.200q is not a pattern", c.PacksFile)
	case len(names) == 0:
		return fail("a pattern must match at least one file", "no file matches %.200q", c.PacksFile)
	}
	complete = true
	size := 0
	for _, name := range names {
		if same(name, c.file) {
			return fail("put the packs into files of their own: packs_file: packs.d/*.yaml", "%.200q is this file itself", name)
		}
		b, err := read(name)
		if err != nil {
			p := fault.Problem{Message: err.Error(), Hint: c.unreadHint(name, err)}
			faults, complete = append(faults, Fault{Problem: p, File: name}), false
			continue
		}
		if size += len(b); size > maxSize {
			return fail("", "its files are over %d MiB together", maxSize>>20)
		}
		found, whole := c.addPacks(name, b)
		faults, complete = append(faults, found...), complete && whole
	}
	return faults, complete
}

// unreadHint is the hint for a file that can't be read.
func (c *Config) unreadHint(name string, err error) string {
	switch fi, _ := os.Stat(name); {
	case errors.Is(err, fs.ErrNotExist):
		return "packs_file in " + c.file + " names it"
	case fi != nil && fi.IsDir():
		return "name the files in it: packs_file: " + name + "/*.yaml"
	}
	return ""
}

// same reports whether two names are of one file.
func same(x, y string) bool {
	a, errA := os.Stat(x)
	b, errB := os.Stat(y)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// addPacks adds the packs of one file.
func (c *Config) addPacks(name string, b []byte) (faults []Fault, complete bool) {
	var in packs
	o := options(name)
	o.EmptyHint, o.MayBeEmpty = packsHint, true
	o.UnknownKey = func(key string, known []string) string {
		switch {
		case !slices.Equal(known, []string{"packs"}):
			return unknownKeyHint(key, known)
		case key == "packs_file":
			return "a file of packs cannot name others: give the configuration a pattern that matches them all"
		}
		if near := strictyaml.Nearest(key, known); near != "" {
			return strictyaml.KnownKeyHint(key, known)
		}
		return "only packs can be in a file of packs; all else is in " + c.file
	}
	doc := strictyaml.Decode(b, &in, o)
	faults = located(name, doc)
	if doc.Complete && in.Packs == nil && len(faults) == 0 {
		faults = append(faults, c.Locate(fault.Problem{Path: "packs_file", Warning: true, Message: name + " holds no packs", Hint: packsHint}))
	}
	c.files = append(c.files, packsFile{name, doc, len(c.Packs)})
	c.Packs = append(c.Packs, in.Packs...)
	return faults, doc.Complete && (in.Packs != nil || len(doc.Faults) == 0)
}

// packPath matches the path of a pack, and of what is in it.
var packPath = regexp.MustCompile(`^packs\[([0-9]+)\]`)

// origin returns the file that a path is in, and the path there.
func (c *Config) origin(path string) (packsFile, string) {
	main := packsFile{name: c.file, doc: c.doc}
	m := packPath.FindStringSubmatch(path)
	if m == nil {
		return main, path
	}
	i, _ := strconv.Atoi(m[1])
	for _, f := range slices.Backward(c.files) {
		if i >= f.first {
			return f, fmt.Sprintf("packs[%d]", i-f.first) + path[len(m[0]):]
		}
	}
	return main, path
}

// blames reports whether a fault of decoding was found at the path, see
// [strictyaml.Document.Blames].
func (c *Config) blames(path string) bool {
	f, path := c.origin(path)
	return f.doc.Blames(path)
}

// place says where the pack of that index is, for a message about the pack at path.
func (c *Config) place(i int, path string) string {
	at := c.Locate(fault.Problem{Path: fmt.Sprintf("packs[%d]", i)})
	if f, _ := c.origin(path); f.name == at.File {
		return at.Path
	}
	return fmt.Sprintf("%s:%d", at.File, at.Line)
}
