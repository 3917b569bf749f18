package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCredentials names files in each way, with what systemd has loaded and
// without. It changes the environment, so it can't run beside others.
func TestCredentials(t *testing.T) {
	loaded, dir := t.TempDir(), t.TempDir()
	file := filepath.Join(dir, "packseal.yaml")
	write(t, filepath.Join(loaded, "credentials_id"), "k", 0o400) // of a folder
	write(t, filepath.Join(loaded, "own"), "k", 0o400)
	write(t, filepath.Join(dir, "beside"), "k", 0o600)

	load := func(name string) (string, error) {
		t.Helper()
		write(t, file, strings.Replace(minimal, `:1"`, `:1", credentials: {access_key_id_file: "`+name+`", access_key_secret_file: "`+name+`"}`, 1), 0o600)
		c, warnings, err := Load(file)
		if len(warnings) > 0 {
			t.Errorf("%s: %v", name, warnings)
		}
		if err != nil {
			return "", err
		}
		return string(c.Sources["prod"].CloudConfig.Credentials.AccessKeyIDFile), nil
	}

	t.Setenv(credentialsVariable, loaded)
	for name, want := range map[string]string{
		"credentials/id":               filepath.Join(loaded, "credentials_id"),
		"./credentials/id":             filepath.Join(loaded, "credentials_id"),
		"own":                          filepath.Join(loaded, "own"),
		"$CREDENTIALS_DIRECTORY/own":   filepath.Join(loaded, "own"),
		"${CREDENTIALS_DIRECTORY}/own": filepath.Join(loaded, "own"),
		"beside":                       filepath.Join(dir, "beside"),
		filepath.Join(dir, "beside"):   filepath.Join(dir, "beside"),
	} {
		if got, err := load(name); err != nil || got != want {
			t.Errorf("%s: got %q, want %q, error %v", name, got, want, err)
		}
	}
	// A folder is never taken for a credential.
	write(t, filepath.Join(loaded, "archive"), "k", 0o400)
	if got := parse(t, minimal).Sinks[0].Local.Dir; got != "/etc/packseal/archive" {
		t.Errorf("the sink is in %s", got)
	}

	t.Setenv(credentialsVariable, "")
	if got, err := load("beside"); err != nil || got != filepath.Join(dir, "beside") {
		t.Errorf("got %q, %v", got, err)
	}
	_, err := load("${CREDENTIALS_DIRECTORY}/own")
	want := file + `:1: sources.prod.cloudconfig.credentials.access_key_id_file: $CREDENTIALS_DIRECTORY is not set
  hint: ` + credentialsHint + "\n" +
		file + `:1: sources.prod.cloudconfig.credentials.access_key_secret_file: $CREDENTIALS_DIRECTORY is not set
  hint: ` + credentialsHint + "\n2 faults"
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}
