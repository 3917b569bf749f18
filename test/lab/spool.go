package lab

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Spooled counts the spool entries of a state folder by how far they have come:
// "empty", "asked", "fetched" or "drafted".
func Spooled(state string) map[string]int {
	n := make(map[string]int)
	files, _ := filepath.Glob(filepath.Join(state, "spool", "*.json"))
	for _, f := range files {
		raw, _ := os.ReadFile(f)
		var s struct {
			Ticket, Report json.RawMessage
			Draft          string
		}
		line, _, _ := strings.Cut(string(raw), "\n")
		_ = json.Unmarshal([]byte(line), &s)
		switch {
		case s.Draft != "":
			n["drafted"]++
		case s.Report != nil:
			n["fetched"]++
		case s.Ticket != nil:
			n["asked"]++
		default:
			n["empty"]++
		}
	}
	return n
}

// CheckSpoolEmpty fails the test when a file is left in the spool.
func CheckSpoolEmpty(t testing.TB, state string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(state, "spool"))
	if err != nil {
		t.Error(err)
	}
	for _, f := range files {
		if f.Name() != "lost+found" { // the file system's own
			t.Errorf("%s stays in the spool", f.Name())
		}
	}
}
