package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packseal.example/test/lab"
)

// TestReadingBesideDaemon: list asks the daemon, which answers when the archive
// can't, and reads the archive itself if told to or when no daemon runs; both
// print the same. What the daemon has seen and verify does not find has vanished.
func TestReadingBesideDaemon(t *testing.T) {
	t.Parallel()
	_, endpoint := simulate(t)
	dir := t.TempDir()
	path := lab.Setup{Dir: dir, Endpoint: endpoint, Packs: []string{lab.Pack, lab.Another}}.Write(t)
	d := startRun(t, path)
	d.settled(t)
	says := func(want int, args ...string) (out, talk string) {
		t.Helper()
		var stdout, stderr strings.Builder
		if code := run(t.Context(), append(args, "--config", path), &stdout, &stderr); code != want {
			t.Errorf("%q ended with %d: %s", args, code, stderr.String())
		}
		return stdout.String(), stderr.String()
	}
	asked, _ := says(0, "list", "--json")
	if read, _ := says(0, "list", "--json", "--archive"); asked != read || strings.Count(asked, "\n") != 2 {
		t.Errorf("the daemon lists\n%s\nthe archive\n%s", asked, read)
	}
	slot := filepath.Join(dir, "archive", "prod", lab.Pack)
	if err := os.RemoveAll(slot); err != nil {
		t.Fatal(err)
	}
	if now, _ := says(0, "list", "--json"); now != asked {
		t.Errorf("without the archive the daemon lists\n%s", now)
	}
	if read, _ := says(0, "list", "--json", "--archive"); strings.Count(read, "\n") != 1 {
		t.Errorf("what is left in the archive is\n%s", read)
	}
	if out, _ := says(exitDamage, "verify"); !strings.Contains(out, "vanished") || !strings.Contains(out, lab.Pack) {
		t.Errorf("verify beside the daemon finds\n%s", out)
	}
	d.stop()
	if read, _ := says(0, "list", "--json"); strings.Count(read, "\n") != 1 {
		t.Errorf("without a daemon it lists\n%s", read)
	}
	if out, talk := says(0, "verify"); strings.Contains(out, "vanished") || talk != "" {
		t.Errorf("verify without a daemon says\n%s%s", out, talk)
	}
}
