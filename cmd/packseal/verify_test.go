package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packseal.example/archive"
	"packseal.example/test/lab"
)

// TestVerifyAtATerminal: a person sees how far it has come, and in the end the
// result alone; a log has no progress.
func TestVerifyAtATerminal(t *testing.T) {
	t.Parallel()
	_, endpoint := simulate(t)
	path := lab.Setup{Endpoint: endpoint}.Write(t)
	var out strings.Builder
	if code := run(t.Context(), []string{"seal", "--config", path}, &out, &out); code != 0 {
		t.Fatal(out.String())
	}
	master, slave := openTerminal(t)
	out.Reset()
	if code := run(t.Context(), []string{"verify", "--config", path}, &out, slave); code != 0 || !strings.HasPrefix(out.String(), "1 sealed, 0 gaps") {
		t.Errorf("it ends with %d: %s", code, out.String())
	}
	shown := make([]byte, 1000)
	n, err := master.Read(shown)
	if got := string(shown[:n]); err != nil || !strings.Contains(got, "primary: 1 of 1 slots, ") || !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("shown is %q, %v", got, err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // nothing is in it
	var s archive.Selection
	showProgress(log, &s)()
	showProgress(io.Discard, &s)()
	if s.Progress != nil {
		t.Error("a log is shown progress")
	}
}
