package ram

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packseal.example/internal/fault"
	"packseal.example/internal/ram/ramtest"
	"packseal.example/internal/secret"
)

// marked are keys to detect leaks. The escaped token differs from the token.
var marked = Keys{"MARKED-id", "MARKED-secret", "MARKED/token+="}

// markedJSON returns them as STS and credentials URIs do.
func markedJSON() string {
	return ramtest.Temporary(marked.ID.Reveal(), marked.Secret.Reveal(), marked.Token.Reveal())
}

// secretFile creates a secret file.
func secretFile(t *testing.T, content string) secret.File {
	t.Helper()
	f := secret.File(filepath.Join(t.TempDir(), "secret"))
	write(t, f, content)
	return f
}

// cleanError fails the test if the error, its hint or its chain contain a secret.
func cleanError(t testing.TB, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.Contains(strings.ToUpper(err.Error()+fault.Hint(err)), "MARKED") {
			t.Errorf("a secret leaks: %v", err)
		}
	}
}

// write replaces a secret file.
func write(t *testing.T, f secret.File, content string) {
	t.Helper()
	tmp := string(f) + ".new"
	if err := errors.Join(os.WriteFile(tmp, []byte(content), 0o600), os.Rename(tmp, string(f))); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreReread(t *testing.T) {
	t.Parallel()
	c := &Credentials{AccessKeyIDFile: secretFile(t, "MARKED-1\n"), AccessKeySecretFile: secretFile(t, "MARKED-2\n")}
	p := New(c)
	if k, err := p.Get(t.Context()); err != nil || k != (Keys{"MARKED-1", "MARKED-2", ""}) {
		t.Fatalf("got other keys, %v", err)
	}
	c.SecurityTokenFile = secretFile(t, "MARKED-3")
	write(t, c.AccessKeyIDFile, "MARKED-4")
	if k, err := p.Get(t.Context()); err != nil || k != (Keys{"MARKED-4", "MARKED-2", "MARKED-3"}) {
		t.Fatalf("got other keys, %v", err)
	}
	for _, f := range []secret.File{c.SecurityTokenFile, c.AccessKeySecretFile, c.AccessKeyIDFile} {
		write(t, f, " ")
		_, err := p.Get(t.Context())
		if fault.Of(err) != fault.Credentials || !strings.Contains(err.Error(), string(f)) {
			t.Errorf("got %v", err)
		}
		cleanError(t, err)
	}
}
