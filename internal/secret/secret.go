// Package secret redacts values that must never appear in a log, an error, a
// metric or a page, and reads them from files.
package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

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

// Read returns the content of the file with surrounding white space trimmed.
func (f File) Read() (Value, error) {
	b, err := f.read()
	if err != nil {
		return "", fault.Wrap(fault.Credentials, fmt.Errorf("reading a secret: %w", err))
	}
	v := strings.TrimSpace(string(b))
	switch {
	case len(b) > maxSize:
		return "", fault.New(fault.Credentials, "secret file %s is over %d bytes", f, maxSize)
	case v == "":
		return "", fault.New(fault.Credentials, "secret file %s is empty", f)
	}
	return Value(v), nil
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
	if f == "" {
		return nil
	}
	if _, err := f.Read(); err != nil {
		return []fault.Problem{{Path: path, Message: err.Error(), Hint: "name a file that this user can read and that holds only the secret"}}
	}
	if fi, err := os.Stat(string(f)); err == nil && fi.Mode().Perm()&0o004 != 0 {
		return []fault.Problem{{Path: path, Message: fmt.Sprintf("%s is world-readable (mode %04o)", f, fi.Mode().Perm()), Hint: fmt.Sprintf("chmod 0600 %s", f), Warning: true}}
	}
	return nil
}
