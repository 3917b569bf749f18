package lab

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Setup is what a test varies of a configuration: in general that of one source,
// prod, and of one local sink, primary, in the folder archive. Settings are YAML
// in flow style, without the braces around those of a mapping. A zero field means
// its default.
type Setup struct {
	Dir         string   // default: a temporary folder
	Endpoint    string   // of the simulator; default: one that nobody serves
	State       string   // state_dir; default "state"
	Archive     string   // the sink's folder; default "archive"
	Sinks       string   // the list of sinks, in place of the one
	Credentials string   // the source's credentials; default: the files that Write writes
	Source      string   // the source's other settings; default 50 requests a second
	Discover    string   // under the source's discover; default: none
	Accounts    string   // under the source's accounts; default: none
	Sources     string   // the mapping of sources, in place of the one
	Defaults    string   // under defaults; default: due at this year's first second
	Fetch       string   // under fetch; default: look every 100 ms
	Web         string   // under web; default: any free port
	Queue       string   // the queue's mapping, with its braces; default: none
	Log         string   // under log; default: none
	Packs       []string // IDs, or flow mappings; default [Pack], and none with Discover
	More        string   // more YAML at the top level
}

// Source is the name of a Setup's only source.
const Source = "prod"

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
	Write(t, s.Dir, map[string]string{"key-id": KeyID, "key-secret": KeySecret, "packseal.yaml": s.yaml()})
	return filepath.Join(s.Dir, "packseal.yaml")
}

// yaml is the whole configuration.
func (s Setup) yaml() string {
	var y strings.Builder
	line := func(key, value, standard string) {
		if value = cmp.Or(value, standard); value != "" {
			fmt.Fprintf(&y, "%s: %s\n", key, value)
		}
	}
	content := func(key, value, standard string) {
		if value = cmp.Or(value, standard); value != "" {
			fmt.Fprintf(&y, "%s: {%s}\n", key, value)
		}
	}
	line("state_dir", s.State, "state")
	accounts := ""
	if s.Accounts != "" {
		accounts = ", accounts: {" + s.Accounts + "}"
	}
	line("sources", s.Sources, fmt.Sprintf("{%s: {cloudconfig: {endpoint: %q, credentials: {%s}, %s}, discover: {%s}%s}}", Source,
		cmp.Or(s.Endpoint, "http://127.0.0.1:1"), cmp.Or(s.Credentials, "access_key_id_file: key-id, access_key_secret_file: key-secret"),
		cmp.Or(s.Source, "requests_per_second: 50"), s.Discover, accounts))
	content("defaults", s.Defaults, Yearly)
	line("sinks", s.Sinks, fmt.Sprintf("[{name: primary, local: {dir: %s}}]", cmp.Or(s.Archive, "archive")))
	content("fetch", s.Fetch, "poll_min: 100ms, poll_max: 500ms")
	content("web", s.Web, `listen: "127.0.0.1:0"`)
	line("queue", s.Queue, "")
	content("log", s.Log, "")
	if len(s.Packs) == 0 && s.Discover != "" {
		return y.String() + s.More
	}
	y.WriteString("packs:\n")
	for _, p := range s.Packs {
		y.WriteString("  - " + asMapping(p) + "\n")
	}
	if len(s.Packs) == 0 {
		y.WriteString("  - " + asMapping(Pack) + "\n")
	}
	return y.String() + s.More
}

// asMapping is a pack of Setup.Packs as a mapping.
func asMapping(pack string) string {
	if strings.HasPrefix(pack, "{") {
		return pack
	}
	return fmt.Sprintf("{id: %s, since: 2020-01-01T00:00:00Z}", pack)
}

// Write writes files into a folder, for their owner alone.
func Write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
