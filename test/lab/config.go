package lab

import (
	"cmp"
	"fmt"
	"strings"
)

// Source is the only source of a Config, unless Sources names others.
const Source = "prod"

// Yearly are defaults by which each pack has one slot a year, that of its first
// second, and it is late enough to be made up for at once.
const Yearly = `schedule: "0 0 1 1 *", catch_up: 8784h, timeout: 5m`

// Config is what a test varies of a configuration. Fields are YAML in flow
// style; those of a mapping's content have no braces around them. An empty
// field is as its comment says.
type Config struct {
	State       string   // state_dir; "state"
	Sources     string   // the whole mapping of sources; one source of the lab's API, made of the next three
	Endpoint    string   // the API's URL; the lab's
	Credentials string   // content of credentials; the lab's key files
	Source      string   // further content of cloudconfig; enough calls a second
	Defaults    string   // content of defaults, beside time_zone: UTC; Yearly
	Sinks       string   // the list; a folder "archive", named primary
	Fetch       string   // content of fetch; short waits
	Queue       string   // the mapping; {embedded: {}}
	Web         string   // content of web; a free port of loopback
	Log         string   // content of log; all levels, as JSON
	More        string   // further top-level keys, in block style
	Packs       []string // each an ID, and after a comma further settings of the pack
}

// Configure writes packseal.yaml into the lab's folder, and returns its path.
func (l *Lab) Configure(c Config) (path string) {
	l.t.Helper()
	c.Endpoint = cmp.Or(c.Endpoint, l.HTTP.URL)
	l.Write("packseal.yaml", c.yaml())
	return l.Path("packseal.yaml")
}

// yaml is the whole configuration.
func (c Config) yaml() string {
	c.Credentials = cmp.Or(c.Credentials, "access_key_id_file: key-id, access_key_secret_file: key-secret")
	c.Source = cmp.Or(c.Source, "requests_per_second: 200, request_timeout: 2s")
	one := fmt.Sprintf("{%s: {cloudconfig: {endpoint: %q, credentials: {%s}, %s}}}", Source, c.Endpoint, c.Credentials, c.Source)
	return fmt.Sprintf(`state_dir: %s
sources: %s
defaults: {time_zone: UTC, %s}
sinks: %s
fetch: {%s}
queue: %s
web: {%s}
log: {%s}
%s
packs:
  - {id: %s}
`, cmp.Or(c.State, "state"), cmp.Or(c.Sources, one), cmp.Or(c.Defaults, Yearly),
		cmp.Or(c.Sinks, "[{name: primary, local: {dir: archive}}]"),
		cmp.Or(c.Fetch, "poll_min: 100ms, poll_max: 500ms"), cmp.Or(c.Queue, "{embedded: {}}"),
		cmp.Or(c.Web, `listen: "127.0.0.1:0"`), cmp.Or(c.Log, "level: debug, format: json"),
		c.More, strings.Join(c.Packs, "}\n  - {id: "))
}
