// Package secret redacts values that must never appear in a log, an error, a
// metric or a page, and reads them from files.
package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"packseal.example/internal/fault"
)

// maxSize is the largest secret file that is read, in bytes.
const maxSize = 64 << 10

// Value is a secret that prints as "(secret)" whatever the format.
type Value string

// Reveal returns the secret itself.
func (v Value) Reveal() string { return string(v) }

// Abbreviated returns enough of an access key ID to tell it from others: its
// first and last four characters, or only the first two of a short one.
func (v Value) Abbreviated() string {
	if len(v) < 16 {
		return string(v[:min(len(v), 2)]) + "…"
	}
	return string(v[:4] + "…" + v[len(v)-4:])
}

// String redacts the value.
func (Value) String() string { return "(secret)" }

// GoString redacts the value under %#v.
func (Value) GoString() string { return "(secret)" }

// LogValue redacts the value in logs.
func (Value) LogValue() slog.Value { return slog.StringValue("(secret)") }

// MarshalText redacts the value in JSON, YAML and text encodings.
func (Value) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// File is the path of a file that holds one secret. It is read on each use, so
// that a rotated secret takes effect without a restart.
type File string

// Read returns the one line that the file holds, without white space and marks of
// the byte order around it. A file of several lines, or with characters that
// nobody sees, is refused: it was not meant to be that secret.
func (f File) Read() (Value, error) {
	b, err := f.content()
	if err != nil {
		return "", err
	}
	v := strings.TrimFunc(string(b), func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
	if wrong := flaw(v); wrong != "" {
		return "", fault.New(fault.Credentials, "secret file %s %s", f, wrong)
	}
	return Value(v), nil
}

// Lines returns what [File.Read] does of a file of several lines, such as a key and
// its successor, without empty lines.
func (f File) Lines() (values []Value, err error) {
	b, err := f.content()
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if wrong := flaw(line); wrong != "" {
			return nil, fault.New(fault.Credentials, "secret file %s %s", f, wrong)
		}
		values = append(values, Value(line))
	}
	if len(values) == 0 {
		return nil, fault.New(fault.Credentials, "secret file %s is empty", f)
	}
	return values, nil
}

// flaw returns what keeps a text from being a secret, in words that do not show it.
func flaw(v string) string {
	hidden := strings.IndexFunc(v, func(r rune) bool { return unicode.Is(unicode.C, r) })
	switch {
	case v == "":
		return "is empty"
	case !utf8.ValidString(v) || strings.Contains(v, "\x00"):
		return "is not UTF-8 text"
	case strings.ContainsAny(v, "\r\n"):
		return fmt.Sprintf("holds %d lines, not one", len(strings.FieldsFunc(v, func(r rune) bool { return r == '\r' || r == '\n' })))
	case hidden >= 0:
		r, _ := utf8.DecodeRuneInString(v[hidden:])
		return fmt.Sprintf("holds the invisible character %U", r)
	}
	return ""
}

// content returns the whole file.
func (f File) content() ([]byte, error) {
	b, err := f.read()
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Credentials, fmt.Errorf("reading a secret: %w", err))
	case len(b) > maxSize:
		return nil, fault.New(fault.Credentials, "secret file %s is over %d bytes", f, maxSize)
	}
	return b, nil
}

// read returns at most maxSize+1 bytes. It refuses what is not a regular file:
// a pipe can block, and a device may never end.
func (f File) read() ([]byte, error) {
	fi, err := os.Stat(string(f))
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: string(f), Err: errors.Unwrap(err)}
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", f)
	}
	file, err := os.Open(string(f))
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	return io.ReadAll(io.LimitReader(file, maxSize+1))
}

// Check returns what is wrong with the file, with path as the key: a problem
// if it cannot be read, a warning if every user of the machine can read it.
func (f File) Check(path string) []fault.Problem {
	return f.check(path, func() error { _, err := f.Read(); return err })
}

// CheckLines is Check for a file of several lines, such as a private key, which
// somebody else reads.
func (f File) CheckLines(path string) []fault.Problem {
	return f.check(path, func() error {
		b, err := f.content()
		if err == nil && len(bytes.TrimSpace(b)) == 0 {
			err = fault.New(fault.Credentials, "secret file %s is empty", f)
		}
		return err
	})
}

func (f File) check(path string, read func() error) []fault.Problem {
	if f == "" {
		return nil
	}
	if err := read(); err != nil {
		return []fault.Problem{{Path: path, Message: err.Error(), Hint: "name a file that this user can read and that holds only the secret"}}
	}
	if fi, err := os.Stat(string(f)); err == nil && fi.Mode().Perm()&0o004 != 0 {
		return []fault.Problem{{Path: path, Message: fmt.Sprintf("%s is world-readable (mode %04o)", f, fi.Mode().Perm()), Hint: fmt.Sprintf("chmod 0600 %s", f), Warning: true}}
	}
	return nil
}
