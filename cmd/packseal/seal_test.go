package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

// TestSealAtATerminal: a person sees each pack begin and end, a log only how it
// ended.
func TestSealAtATerminal(t *testing.T) {
	t.Parallel()
	_, endpoint := simulate(t)
	path := configured(t, t.TempDir(), endpoint, onePack)
	master, slave := openTerminal(t)
	if code := run(t.Context(), []string{"seal", "--now", "--config", path, onePack}, io.Discard, slave); code != 0 {
		t.Errorf("ends with %d", code)
	}
	lines := bufio.NewScanner(master)
	for _, want := range []string{"begun   prod/" + onePack + "@", "sealed  prod/" + onePack + "@"} {
		if lines.Scan(); !strings.HasPrefix(lines.Text(), want) {
			t.Errorf("says %q, want %q…", lines.Text(), want)
		}
	}
	var log strings.Builder
	if code := run(t.Context(), []string{"seal", "--config", path, onePack}, io.Discard, &log); code != 0 || strings.Contains(log.String(), "begun") {
		t.Errorf("ends with %d and says %q", code, log.String())
	}
}
