//go:build chaos

// Package chaos breaks packseal on purpose and looks at what is left. It runs
// the program as its users do, as a process of its own, and reads the archive
// as an auditor would, by none of the program's code: only the simulated
// Config API is shared.
//
// PACKSEAL_ROUNDS sets how often what is random is tried.
package chaos

import (
	"cmp"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
)

// The simulator's only user.
const (
	keyID  = "LTAI5tSimulatorKeyOnly"
	secret = "simulator-secret-opens-nothing-else"
)

// binary is the program, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait for other processes more than they compute.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(built(m.Run))
}

// built builds the program, runs the tests and cleans up.
func built(run func() int) int {
	dir, err := os.MkdirTemp("", "packseal-chaos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder of the test's
	binary = filepath.Join(dir, "packseal")
	if out, err := exec.Command("go", "build", "-o", binary, "packseal.example/cmd/packseal").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building packseal: %v\n%s", err, out)
		return 1
	}
	return run()
}

// rounds is how often something random is tried.
func rounds(t *testing.T, standard int) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv("PACKSEAL_ROUNDS"), strconv.Itoa(standard)))
	if err != nil || n < 1 {
		t.Fatalf("PACKSEAL_ROUNDS: %q is not a number of rounds", os.Getenv("PACKSEAL_ROUNDS"))
	}
	return n
}

// missing skips a test for what the machine lacks. In CI it fails.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("PACKSEAL_CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// world is a folder with a configuration, and a Config API that tells a test
// what it is asked for.
type world struct {
	*sim.Server
	t         *testing.T
	server    *httptest.Server
	dir       string // the configuration, and by its default state and archive
	url       string // the API's
	archive   string // where its reports can be read
	unwatched bool   // that this can't be done at any time
	step      atomic.Pointer[func(string)]
	broken    atomic.Pointer[http.HandlerFunc] // answers instead of the API, while set
}

func newWorld(t *testing.T, packs []sim.Pack) *world {
	t.Helper()
	api, err := sim.New(sim.Options{AccessKeyID: keyID, AccessKeySecret: secret, Packs: packs})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Server: api, t: t, dir: t.TempDir()}
	w.server = httptest.NewServer(w)
	t.Cleanup(w.server.Close)
	w.url, w.archive = w.server.URL, filepath.Join(w.dir, "archive")
	w.write("key-id", keyID)
	w.write("key-secret", secret)
	return w
}

func (w *world) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// configuration is what a test varies; a zero field is as usual.
type configuration struct {
	state  string // the state folder
	url    string // the API's
	sinks  string
	plan   string // more of defaults
	source string // more of the source
	fetch  string // more of fetch
	queue  string
	packs  []string

	credentials string // the API's
}

// yearly is a schedule whose one slot of the year is due and waits to be made
// up for.
const yearly = `schedule: "0 0 1 1 *", catch_up: 8784h, timeout: 5m`

// configure writes the configuration. Each pack is an ID, with more settings
// after it if need be.
func (w *world) configure(c configuration) {
	w.t.Helper()
	w.write("packseal.yaml", fmt.Sprintf(`
state_dir: %s
sources:
  prod:
    cloudconfig:
      {endpoint: %s, %s, credentials: {%s}}
defaults: {source: prod, time_zone: UTC, %s}
sinks: %s
fetch: {poll_min: 100ms, poll_max: 500ms, %s}
web: {listen: "127.0.0.1:0"}
queue: %s
log: {level: debug}
packs:
  - {id: %s}
`, cmp.Or(c.state, "state"), cmp.Or(c.url, w.url), cmp.Or(c.source, "requests_per_second: 200, request_timeout: 2s"),
		cmp.Or(c.credentials, "access_key_id_file: key-id, access_key_secret_file: key-secret"), cmp.Or(c.plan, yearly),
		cmp.Or(c.sinks, "[{name: primary, local: {dir: archive}}]"), cmp.Or(c.fetch, "stall_after: 2s"),
		cmp.Or(c.queue, "{embedded: {}}"), strings.Join(c.packs, "}\n  - {id: ")))
}

// The steps of a report's journey that the API sees.
const (
	stepStart    = "start"    // the process has begun
	stepLook     = "look"     // it looks at the report before, or whether it is made
	stepAsk      = "ask"      // it asks for a report
	stepAsked    = "asked"    // and has its answer
	stepDownload = "download" // the first bytes of a report are sent
	stepWhole    = "whole"    // the last are
)

// ServeHTTP hands a call to the API and tells the test about it.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if broken := w.broken.Load(); broken != nil {
		(*broken)(rw, r)
		return
	}
	w.serve(rw, r)
}

// serve is the API when nothing is broken.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	before, after := stepLook, ""
	switch action := r.Header.Get("X-Acs-Action"); {
	case r.URL.Path != "/":
		before, after = stepDownload, stepWhole
	case strings.HasPrefix(action, "Generate"):
		before, after = stepAsk, stepAsked
	}
	w.reached(before)
	w.Server.ServeHTTP(rw, r)
	w.reached(after)
}

// reached tells the test of a step.
func (w *world) reached(step string) {
	if f := w.step.Load(); f != nil {
		(*f)(step)
	}
}
