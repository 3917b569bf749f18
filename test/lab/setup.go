package lab

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Setup is a configuration of one source, prod, and one local sink, primary,
// in the folder archive. A zero field means its default.
type Setup struct {
	Dir      string   // default: a temporary folder
	Endpoint string   // of the simulator; default: one that nobody serves
	State    string   // state_dir; default "state"
	Archive  string   // the sink's folder; default "archive"
	Source   string   // the source's other settings, in YAML's flow style; default 50 requests a second
	Defaults string   // likewise under defaults; default: due at this year's first second
	Fetch    string   // likewise under fetch; default: look every 100 ms
	Web      string   // likewise under web; default: any free port
	Packs    []string // IDs, or flow mappings; default [Pack]
	More     string   // more YAML at the top level
}

// The packs of most tests.
const (
	Pack    = "cp-fdc8626622af00f90000"
	Another = "cp-1a4f626622af00b10001"
)

// Yearly are the defaults under which the only slot that is due is that of
// this year's first second.
const Yearly = `schedule: "0 0 1 1 *", time_zone: UTC, catch_up: 8784h, timeout: 1m`

// Write writes the configuration and the simulator's key, and returns the
// configuration's path.
func (s Setup) Write(t testing.TB) (path string) {
	t.Helper()
	if s.Dir == "" {
		s.Dir = t.TempDir()
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if len(s.Packs) == 0 {
		s.Packs = []string{Pack}
	}
	var packs strings.Builder
	for _, p := range s.Packs {
		if !strings.HasPrefix(p, "{") {
			p = fmt.Sprintf("{id: %s, since: 2020-01-01T00:00:00Z}", p)
		}
		fmt.Fprintf(&packs, "  - %s\n", p)
	}
	Write(t, s.Dir, map[string]string{"key-id": KeyID, "key-secret": KeySecret, "packseal.yaml": fmt.Sprintf(`state_dir: %s
sources:
  prod:
    cloudconfig: {endpoint: %q, credentials: {access_key_id_file: key-id, access_key_secret_file: key-secret}, %s}
defaults: {source: prod, %s}
sinks: [{name: primary, local: {dir: %s}}]
fetch: {%s}
web: {%s}
packs:
%s%s`,
		cmp.Or(s.State, "state"), cmp.Or(s.Endpoint, "http://127.0.0.1:1"), cmp.Or(s.Source, "requests_per_second: 50"),
		cmp.Or(s.Defaults, Yearly), cmp.Or(s.Archive, "archive"), cmp.Or(s.Fetch, "poll_min: 100ms, poll_max: 500ms"),
		cmp.Or(s.Web, `listen: "127.0.0.1:0"`), packs.String(), s.More)})
	return filepath.Join(s.Dir, "packseal.yaml")
}
