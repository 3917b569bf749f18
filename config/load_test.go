package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/config/strictyaml"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// minimal is the least that is a configuration.
const minimal = `sources: {prod: {cloudconfig: {endpoint: "http://127.0.0.1:1"}}}
packs: [{id: cp-1}]
sinks: [{name: archive, local: {dir: archive}}]
`

// parse is Parse of what must be right.
func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, warnings, err := Parse("/etc/packseal/packseal.yaml", []byte(text))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("warnings %v\n%v", warnings, err)
	}
	return c
}

func TestMinimalGetsTheDefaults(t *testing.T) {
	t.Parallel()
	c := parse(t, minimal)
	if c.StateDir != "/var/lib/packseal" || c.Web.Listen != "127.0.0.1:9797" || c.Web.Reload ||
		c.Queue != (Queue{}) || c.Log != (Log{"info", "auto"}) {
		t.Errorf("got %+v", c)
	}
	entries := c.Entries()
	if len(entries) != 1 {
		t.Fatalf("%d entries", len(entries))
	}
	e := entries[0]
	if diff := cmp.Diff(evidence.Pack{PackRef: evidence.PackRef{Source: "prod", ID: "cp-1"}, Zone: "UTC"}, e.Pack); diff != "" {
		t.Error(diff)
	}
	if e.Plan.Source != "prod" || e.Plan.Pack != "cp-1" || e.Jitter != 0 || e.CatchUp != 24*time.Hour ||
		e.Timeout != 2*time.Hour || !e.Since.IsZero() || e.Schedule != "0 2 * * *" || e.TimeZone != "UTC" {
		t.Errorf("got %+v", e)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if next := e.Plan.Schedule.Next(at); !next.Equal(at.Add(2 * time.Hour)) {
		t.Errorf("next due %s", next)
	}
}

func TestEntriesApplyTheDefaults(t *testing.T) {
	t.Parallel()
	c := parse(t, `
sources:
  a: {cloudconfig: {endpoint: "http://127.0.0.1:1"}}
  b: {cloudconfig: {endpoint: "http://127.0.0.1:2"}}
defaults: {source: a, schedule: "@hourly", time_zone: Asia/Shanghai, jitter: 10m, catch_up: 1h, timeout: 30m}
packs:
  - {id: cp-1}
  - {id: cp-1, source: b, aggregator: ca-1, name: x, labels: {owner: security}, schedule: "@daily", time_zone: UTC, jitter: 0s, catch_up: 0s, timeout: 5m, since: 2026-02-03}
sinks: [{name: archive, local: {dir: archive}}]
`)
	if diff := cmp.Diff(map[string]string{"owner": "security"}, c.Entries()[1].Labels); diff != "" || c.Entries()[0].Labels != nil {
		t.Errorf("labels: %s", diff)
	}
	before := *c
	type settled struct {
		Source, Key, Schedule, Zone string
		Jitter, CatchUp, Timeout    time.Duration
		Since                       time.Time
	}
	var got []settled
	for _, e := range c.Entries() {
		got = append(got, settled{e.Pack.Source, e.Key(), e.Schedule, e.Plan.Schedule.Zone(), e.Jitter, e.CatchUp, e.Timeout, e.Since})
	}
	want := []settled{
		{"a", "cp-1", "@hourly", "Asia/Shanghai", 10 * time.Minute, time.Hour, 30 * time.Minute, time.Time{}},
		{"b", "ca-1/cp-1", "@daily", "UTC", 0, 0, 5 * time.Minute, time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before.Packs, c.Packs); diff != "" || c.Packs[0].Jitter != nil {
		t.Errorf("Entries altered the packs: %s", diff)
	}
}

func TestRelativePathsStartFromTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "web.yaml"), "", 0o600)
	write(t, filepath.Join(dir, "key"), "k", 0o600)
	file := filepath.Join(dir, "packseal.yaml")
	write(t, file, strings.Replace(minimal, `:1"`, `:1", credentials: {access_key_id_file: key, access_key_secret_file: `+filepath.Join(dir, "key")+`}`, 1)+
		"state_dir: state\nweb: {config_file: ./web.yaml}\n", 0o600)
	c, _, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	keys := c.Sources["prod"].CloudConfig.Credentials
	got := []string{c.StateDir, c.Web.ConfigFile, string(keys.AccessKeyIDFile), string(keys.AccessKeySecretFile), c.Sinks[0].Local.Dir}
	want := []string{"state", "web.yaml", "key", "key", "archive"}
	for i := range want {
		want[i] = filepath.Join(dir, want[i])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func write(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

func TestLoadOfNoFile(t *testing.T) {
	t.Parallel()
	_, _, err := Load("/nowhere/packseal.yaml")
	want := "/nowhere/packseal.yaml: reading the configuration: no such file or directory\n" +
		"  hint: packseal init writes a commented example\n1 fault"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Errorf("got a %T", err)
	}
	if _, _, err = Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("got %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "large.yaml")
	write(t, file, minimal+strings.Repeat("#\n", maxSize/2), 0o600)
	if _, _, err := Load(file); err == nil || err.Error() != file+": the file is over 16 MiB\n1 fault" {
		t.Errorf("got %v", err)
	}
}

// TestHundredThousandPacks: so many fit into a file, each with five settings
// of its own. A hundredth of them is tried.
func TestHundredThousandPacks(t *testing.T) {
	t.Parallel()
	var y strings.Builder
	y.WriteString("packs:\n")
	for i := range 1000 {
		fmt.Fprintf(&y, "  - {id: cp-%020d, name: %s, aggregator: ca-%020d, schedule: '0 4 * * MON', time_zone: Asia/Shanghai}\n",
			i, strings.Repeat("x", 24), i)
	}
	var c Config
	doc := strictyaml.Decode([]byte(y.String()), &c, strictyaml.Options{MaxValues: maxValues / 100, MaxBytes: maxSize / 100})
	if len(doc.Faults) > 0 || len(c.Packs) != 1000 {
		t.Errorf("%d packs, %v", len(c.Packs), doc.Faults)
	}
}

// Aliases work, but a file whose aliases stand for millions of values is cut
// short, and so is a list of faults that nobody would read.
func TestAliases(t *testing.T) {
	t.Parallel()
	c := parse(t, "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\n"+
		"packs: [{id: cp-1, schedule: &s '@weekly'}, {id: cp-2, schedule: *s}]\nsinks: [{name: a, local: {dir: d}}]\n")
	if got := c.Entries()[1].Schedule; got != "@weekly" {
		t.Errorf("got %q", got)
	}

	hosts := "link_hosts: &h [" + strings.Repeat("h,", 2000) + "]"
	var b strings.Builder
	b.WriteString("sources:\n  s0: &s {cloudconfig: {endpoint: 'http://127.0.0.1:1', " + hosts + "}}\n")
	for i := range 1000 {
		b.WriteString("  s" + strings.Repeat("x", i%100) + "y" + strings.Repeat("z", i/100) + ": *s\n")
	}
	_, _, err := Parse("c.yaml", []byte(b.String()))
	if err == nil || !strings.Contains(err.Error(), "more than 2097152 values, aliases counted each time") {
		t.Errorf("got %.500v", err)
	}
}

func TestManyFaultsAreCutShort(t *testing.T) {
	t.Parallel()
	_, _, err := Parse("c.yaml", []byte(minimal+"fetch: {"+strings.Repeat("a: 1, ", 5000)+"}"))
	e, ok := errors.AsType[*Error](err)
	if !ok || len(e.Faults) != maxFaults || e.More == 0 || !strings.HasSuffix(err.Error(), " not shown") {
		t.Errorf("%d faults, %d more", len(e.Faults), e.More)
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	c := parse(t, minimal)
	for path, line := range map[string]int{"sinks[0].local.dir": 3, "sinks[0].s3.bucket": 3, "packs[0]": 2, "packs[7]": 2, "web.listen": 0, "": 0} {
		f := c.Locate(fault.Problem{Path: path})
		if f.Line != line || f.File != "/etc/packseal/packseal.yaml" {
			t.Errorf("%q: %s:%d, want line %d", path, f.File, f.Line, line)
		}
	}
}

// TestOpenPage: a page that other machines reach without TLS and password is a
// warning, unless the file says that it is meant so.
func TestOpenPage(t *testing.T) {
	t.Parallel()
	protected := filepath.Join(t.TempDir(), "web.yaml")
	write(t, protected, "basic_auth_users: {}\n", 0o600)
	for web, want := range map[string]bool{
		`listen: ":9797"`: true, `listen: 0.0.0.0:9797`: true, `listen: "[::]:9797"`: true, `listen: 192.0.2.1:9797`: true, `listen: audit.example.com:9797`: true,
		`listen: localhost:9797`: false, `listen: 127.0.0.2:9797`: false, `listen: "[::1]:9797"`: false,
		`listen: ":9797", allow_open: true`: false, `listen: ":9797", config_file: ` + protected: false,
	} {
		_, warnings, err := Parse("packseal.yaml", []byte(minimal+"web: {"+web+"}\n"))
		if err != nil || (len(warnings) == 1 && warnings[0].Path == "web.listen") != want || len(warnings) > 1 {
			t.Errorf("%s: %v %v", web, warnings, err)
		}
	}
}

func TestWarningsDoNotFail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "open"), "k", 0o644)
	file := filepath.Join(dir, "c.yaml")
	text := strings.Replace(minimal, `:1"`, `:1", credentials: {access_key_id_file: open, access_key_secret_file: open}`, 1)
	c, warnings, err := Parse(file, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range warnings {
		got = append(got, strings.ReplaceAll(c.Locate(w).String(), dir, "DIR"))
	}
	path := "DIR/c.yaml:1: sources.prod.cloudconfig.credentials.access_key_"
	rest := "_file: warning: DIR/open is world-readable (mode 0644)\n  hint: chmod 0600 DIR/open"
	if diff := cmp.Diff([]string{path + "id" + rest, path + "secret" + rest}, got); diff != "" {
		t.Error(diff)
	}
}
