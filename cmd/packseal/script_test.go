package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/notify/notifytest"
	"packseal.example/test/lab"
)

func TestMain(m *testing.M) {
	testscript.Main(parallel{m}, map[string]func(){"packseal": main})
}

type parallel struct{ *testing.M }

// Run implements [testscript.TestingM].
func (p parallel) Run() int {
	lab.Parallel(16)
	return p.M.Run()
}

// TestScripts runs the program as a person does: verbs, what they print and
// how they end. $SIM is a simulator that makes reports in an instant;
// $DINGTALK and its like are addresses of channels.
func TestScripts(t *testing.T) {
	t.Parallel()
	handler, err := sim.New(sim.Options{
		AccessKeyID: simKeyID, AccessKeySecret: simKeySecret,
		Packs: []sim.Pack{{ID: "cp-fdc8626622af00f90000"}, {ID: "cp-1a4f626622af00b10001", Name: "of no use"}, {ID: "crt-3b7e626622af00c20002"},
			{ID: "rules", Aggregator: "ca-f632626622af00790000"}, {ID: "inventory", Aggregator: "ca-f632626622af00790000"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	people := &notifytest.Server{Token: "token-0123456789", Secret: "secret-0123456789"}
	chat := httptest.NewServer(people)
	t.Cleanup(chat.Close)
	evidence := newEvidence(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "json": jsonLines, "begins": begins, "capture": capture, "glob": glob, "expand": expand, "append": appendTo, "replaced": replaced, "canonical": canonical,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("SIM", server.URL)
			env.Setenv("LEDGER_KEY", evidence.key)
			env.Setenv("OTHER_KEY", evidence.other)
			env.Setenv("LEDGER_LINE", evidence.line)
			env.Setenv("KEY_ID", simKeyID)
			env.Setenv("KEY_SECRET", simKeySecret)
			for _, receiver := range notifytest.Receivers() {
				env.Setenv(strings.ToUpper(receiver), people.Address(chat.URL, receiver))
			}
			return evidence.write(env.WorkDir)
		},
	})
}

// exits runs packseal and holds it to an exit code: exits 2 check -c bad.yaml.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("packseal", args[1:]...)
	got := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("packseal %s ended with %d, want %d\n%s", strings.Join(args[1:], " "), got, want, ts.ReadFile("stderr"))
	}
}

// jsonLines holds that each line printed is a JSON object with the fields
// named.
func jsonLines(ts *testscript.TestScript, _ bool, fields []string) {
	out := strings.TrimSpace(ts.ReadFile("stdout"))
	for line := range strings.Lines(out) {
		var object map[string]any
		ts.Check(json.Unmarshal([]byte(line), &object))
		for _, f := range fields {
			if _, ok := object[f]; !ok {
				ts.Fatalf("no field %q in %s", f, line)
			}
		}
	}
	if out == "" {
		ts.Fatalf("nothing was printed")
	}
}

// begins holds a file to its first bytes, in hex.
func begins(ts *testscript.TestScript, _ bool, args []string) {
	want, err := hex.DecodeString(args[1])
	ts.Check(err)
	if !strings.HasPrefix(ts.ReadFile(args[0]), string(want)) {
		ts.Fatalf("%s does not begin with %s", args[0], args[1])
	}
}

// capture sets a variable to what the first group matches of what was printed.
func capture(ts *testscript.TestScript, _ bool, args []string) {
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("nothing printed matches %s", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// glob sets a variable to the first file that a pattern matches.
func glob(ts *testscript.TestScript, _ bool, args []string) {
	found, err := filepath.Glob(ts.MkAbs(args[1]))
	ts.Check(err)
	if len(found) == 0 {
		ts.Fatalf("no file matches %s", args[1])
	}
	ts.Setenv(args[0], found[0])
}

// expand puts the variables' values into files.
func expand(ts *testscript.TestScript, _ bool, files []string) {
	for _, f := range files {
		ts.Check(os.WriteFile(ts.MkAbs(f), []byte(os.Expand(ts.ReadFile(f), ts.Getenv)), 0o600))
	}
}

// appendTo adds text to a file, also to one that is read only.
func appendTo(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	content := ts.ReadFile(args[0]) + args[1]
	ts.Check(os.Remove(name))
	ts.Check(os.WriteFile(name, []byte(content), 0o600))
}

// replaced replaces a text in a file, also in one that is read only.
func replaced(ts *testscript.TestScript, _ bool, args []string) {
	name, content := ts.MkAbs(args[0]), ts.ReadFile(args[0])
	if !strings.Contains(content, args[1]) {
		ts.Fatalf("%s does not hold %s", args[0], args[1])
	}
	ts.Check(os.Remove(name))
	ts.Check(os.WriteFile(name, []byte(strings.ReplaceAll(content, args[1], args[2])), 0o600))
}

// canonical takes the newline off a record that a script has in full.
func canonical(ts *testscript.TestScript, _ bool, files []string) {
	for _, f := range files {
		ts.Check(os.WriteFile(ts.MkAbs(f), []byte(strings.TrimSpace(ts.ReadFile(f))), 0o600))
	}
}
