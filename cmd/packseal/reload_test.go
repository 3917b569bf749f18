package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packseal.example/test/lab"
)

// manyKeys are n lines with a key each, which no configuration has.
func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "unheard_of_%d: 1\n", i)
	}
	return b.String()
}

// TestReloadVerb: reload waits for the outcome, and says what is wrong with a bad
// file, whose daemon it finds all the same.
func TestReloadVerb(t *testing.T) {
	t.Parallel()
	setup := queueing(t)
	setup.Log = "level: warn"
	path := setup.Write(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	reload := func() (int, string, string) {
		var out, talk lab.Buffer
		return run(t.Context(), []string{"reload", "--config", path}, &out, &talk), out.String(), talk.String()
	}
	if code, out, talk := reload(); code != exitTransient || out != "" || !strings.Contains(talk, "no daemon runs") {
		t.Errorf("without a daemon: %d %s%s", code, out, talk)
	}
	d := startRun(t, path)
	says(t, path, nil, "working")
	for _, c := range []struct {
		name, text string
		code       int
		out, talk  string
	}{
		{"an unknown key", strings.Replace(string(good), "packs:", "pakcs:", 1), exitUsage, "", `did you mean "packs"?`},
		{"no YAML, and so no state_dir", "\t", exitUsage, "", "cannot start any token"},
		{"as it was", string(good), 0, "reloaded\n", ""},
		{"many faults", string(good) + manyKeys(2000), exitUsage, "", "1001 faults; 1 not shown\nnot reloaded"},
		{"as it was again", string(good), 0, "reloaded\n", ""},
	} {
		lab.Write(t, setup.Dir, map[string]string{filepath.Base(path): c.text})
		code, out, talk := reload()
		if c.code != 0 && len(talk) > 2000 {
			talk = talk[:200] + "…" + talk[len(talk)-200:]
		}
		if code != c.code || out != c.out || !strings.Contains(talk, c.talk) || c.talk == "" && talk != "" {
			t.Errorf("%s: %d, %s%s", c.name, code, out, talk)
		}
	}
	if strings.Contains(d.log.String(), `"msg":"configuration reloaded"`) {
		t.Error("info is logged at level warn")
	}
	setup.Log = "level: info"
	setup.Write(t)
	if code, _, talk := reload(); code != 0 || !strings.Contains(d.log.String(), `"msg":"configuration reloaded"`) {
		t.Errorf("another level: %d %s\n%s", code, talk, d.log.String())
	}
	d.stop()
}
