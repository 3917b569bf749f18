package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"gopkg.in/yaml.v3"

	"packseal.example/internal/fault"
)

const mark = "MARKED-secret"

// TestValueIsRedacted prints a secret in every way that a program may by
// mistake.
func TestValueIsRedacted(t *testing.T) {
	t.Parallel()
	v := Value(mark)
	holder := struct {
		V  Value
		P  *Value
		M  map[string]Value
		An any
	}{v, &v, map[string]Value{"k": v}, v}
	var out bytes.Buffer
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X"} {
		fmt.Fprintf(&out, format, v)
		fmt.Fprintf(&out, format, holder)
	}
	fmt.Fprint(&out, v, holder, fmt.Errorf("x: %v", v))
	for _, encode := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		b, err := encode(holder)
		if err != nil {
			t.Error(err)
		}
		out.Write(b)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v, "holder", holder)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v, "holder", holder)
	for _, form := range []string{mark, fmt.Sprintf("%x", mark), fmt.Sprintf("%X", mark)} {
		if strings.Contains(out.String(), form) {
			t.Errorf("%q came out:\n%s", form, out.String())
		}
	}
	if v.Reveal() != mark {
		t.Error("the secret is lost")
	}
}

func write(t *testing.T, content string, mode os.FileMode) File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // beyond what umask leaves
		t.Fatal(err)
	}
	return File(path)
}

func TestRead(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{mark: mark, " " + mark + "\r\n": mark, "two words\n": "two words",
		"\ufeff" + mark + "\r\n": mark, "\u00a0" + mark + "\u200b\n\n": mark} {
		if v, err := write(t, in, 0o600).Read(); err != nil || v.Reveal() != want {
			t.Errorf("%q: got %q, %v", in, v.Reveal(), err)
		}
	}
	f := write(t, "first", 0o600)
	if err := os.WriteFile(string(f), []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := f.Read(); err != nil || v.Reveal() != "second" {
		t.Errorf("got %q, %v: a rotated secret is not taken up", v.Reveal(), err)
	}
	for want, f := range map[string]File{
		"no such file":                   File(filepath.Join(t.TempDir(), "none")),
		"is empty":                       write(t, " \n", 0o600),
		"over 65536 bytes":               write(t, strings.Repeat(mark, maxSize), 0o600),
		"holds 2 lines":                  write(t, "\ufeffLTAI\r\n\r\n"+mark+"\n", 0o600),
		"holds 3 lines":                  write(t, "a\rb\rc\r", 0o600),
		"is not UTF-8":                   write(t, "\xff\xfeL\x00T\x00", 0o600),
		"is not UTF-8 text":              write(t, "L\x00T\x00", 0o600),
		"the invisible character U+200B": write(t, mark+"\u200b"+mark, 0o600),
		"the invisible character U+0009": write(t, "a\tb", 0o600),
		"is not a regular":               File(t.TempDir()),
		"/dev/zero is not":               File("/dev/zero"), // it never ends
	} {
		v, err := f.Read()
		if v != "" || fault.Of(err) != fault.Credentials || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), mark) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// TestOfAnotherUser: a file that this user may not read is a fault, and says so.
func TestOfAnotherUser(t *testing.T) {
	t.Parallel()
	f := write(t, mark, 0)
	var v Value
	var err error
	var got []fault.Problem
	asNobody(t, func() { v, err = f.Read(); got = f.Check("s3.secret_file") })
	if v != "" || fault.Of(err) != fault.Credentials || !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), string(f)) {
		t.Errorf("got %v, want it not permitted", err)
	}
	if len(got) != 1 || got[0].Warning || !strings.Contains(got[0].Hint, "this user can read") {
		t.Errorf("got %+v, want a fault", got)
	}
}

// asNobody calls do on a thread that is a nobody to the file system, for root
// may read everything. It stays locked, and so ends with its goroutine.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	var thread sync.WaitGroup
	thread.Go(func() {
		if os.Geteuid() == 0 {
			runtime.LockOSThread()
			if err := unix.Setfsuid(65534); err != nil {
				t.Error(err)
				return
			}
		}
		do()
	})
	thread.Wait()
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const path = "s3.secret_file"
	if got := File("").Check(path); got != nil {
		t.Errorf("a file that is not set: %v", got)
	}
	for _, mode := range []os.FileMode{0o600, 0o400, 0o640} {
		if got := write(t, mark, mode).Check(path); got != nil {
			t.Errorf("mode %o: %v", mode, got)
		}
	}
	open := write(t, mark, 0o644)
	got := open.Check(path)
	if len(got) != 1 || !got[0].Warning || got[0].Path != path || !strings.Contains(got[0].Message, "0644") || got[0].Hint != "chmod 0600 "+string(open) {
		t.Errorf("got %+v, want a warning", got)
	}
	got = File(filepath.Join(t.TempDir(), "none")).Check(path)
	if len(got) != 1 || got[0].Warning || got[0].Path != path || got[0].Hint == "" {
		t.Errorf("got %+v, want a fault", got)
	}
}

// TestCheckLines: a private key has several lines, but not none.
func TestCheckLines(t *testing.T) {
	t.Parallel()
	if got := write(t, "-----BEGIN PRIVATE KEY-----\n"+mark+"\n", 0o600).CheckLines("key_file"); got != nil {
		t.Errorf("got %v", got)
	}
	for want, f := range map[string]File{"is empty": write(t, "\n \n", 0o600), "over 65536 bytes": write(t, strings.Repeat(mark, maxSize), 0o600)} {
		if got := f.CheckLines("key_file"); len(got) != 1 || got[0].Warning || !strings.Contains(got[0].Message, want) {
			t.Errorf("%s: got %v", want, got)
		}
	}
}

func TestAbbreviated(t *testing.T) {
	t.Parallel()
	for id, want := range map[Value]string{"LTAI5tExampleKeyID": "LTAI…eyID", "fifteen-letters": "fi…", "x": "x…", "": "…"} {
		if got := id.Abbreviated(); got != want {
			t.Errorf("%q: got %q, want %q", string(id), got, want)
		}
	}
}

// FuzzRead: what is read is one plain line that the file holds.
func FuzzRead(f *testing.F) {
	for _, content := range []string{"a", "\ufeffa b\r\n", "a\nb", "\xff\xfea\x00", "a\u200bb", " \t"} {
		f.Add([]byte(content))
	}
	path := filepath.Join(f.TempDir(), "key")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := File(path).Read()
		got := v.Reveal()
		if (err == nil) != (got != "") || !strings.Contains(string(content), got) || got != strings.TrimSpace(got) || !utf8.ValidString(got) ||
			strings.ContainsFunc(got, func(r rune) bool { return unicode.Is(unicode.C, r) }) {
			t.Errorf("%q is read as %q, %v", content, got, err)
		}
	})
}

// TestLines: a file may hold a key and its successor, and nothing that nobody sees.
func TestLines(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{"a": "a", "\n a \r\n\nb\n": "a b", "": "", " \n": "", "a\u200bb": "", "a\x00": "", "a\n\xff": ""} {
		name := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		values, err := File(name).Lines()
		var got []string
		for _, v := range values {
			got = append(got, v.Reveal())
		}
		if strings.Join(got, " ") != want || (err == nil) != (want != "") || err != nil && fault.Of(err) != fault.Credentials {
			t.Errorf("%q is %q, %v", content, got, err)
		}
	}
	if _, err := File("/does/not/exist").Lines(); fault.Of(err) != fault.Credentials {
		t.Errorf("no file: %v", err)
	}
}
