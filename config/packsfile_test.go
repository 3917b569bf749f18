package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inFiles writes files into a folder, and returns the name of the configuration
// among them.
func inFiles(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "packseal.yaml")
}

// ids returns the IDs of packs.
func ids(entries []Entry) (all []string) {
	for _, e := range entries {
		all = append(all, e.Pack.ID)
	}
	return all
}

const mainFile = "sources: {prod: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}}\nsinks: [{name: a, local: {dir: d}}]\ndefaults: {schedule: '@weekly'}\n"

// TestPacksFiles: packs come from the configuration and then from its files, in the
// order of their names, with its defaults.
func TestPacksFiles(t *testing.T) {
	t.Parallel()
	file := inFiles(t, map[string]string{
		"packseal.yaml":   mainFile + "packs: [{id: cp-1}]\npacks_file: packs.d/*.yaml\n",
		"packs.d/b.yaml":  "packs:\n- {id: cp-3, enabled: false}\n- {id: cp-4, schedule: '@daily'}\n",
		"packs.d/a.yaml":  "packs: [{id: cp-2}]\n",
		"packs.d/c.yaml":  "packs: []\n",
		"packs.d/c.other": "nothing",

		"packs.d/..data/d.yaml": "of a volume", "packs.d/more/d.yaml": "packs: []\n", "packs.d/.#a.yaml": "of an editor", "packs.d/.hidden.yaml": "- of nobody",
	})
	c, warnings, err := Load(file)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if d := cmp.Diff([]string{"cp-1", "cp-2", "cp-4"}, ids(c.Entries())); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"cp-3"}, ids(c.Disabled())); d != "" {
		t.Error(d)
	}
	if s := c.Entries()[1].Schedule + c.Entries()[2].Schedule; s != "@weekly@daily" {
		t.Error(s)
	}
	if got := PacksPattern(file); got != filepath.Join(filepath.Dir(file), "packs.d/*.yaml") {
		t.Error(got)
	}
	if names, err := PacksFiles(filepath.Join(filepath.Dir(file), "packs.d/.h*.yaml")); err != nil || len(names) != 1 {
		t.Errorf("a pattern with a dot: %v, %v", names, err)
	}
	if names, err := PacksFiles(filepath.Join(filepath.Dir(file), "packs.d/*/d.yaml")); err != nil || len(names) != 1 {
		t.Errorf("a pattern over folders: %v, %v", names, err)
	}
	one := inFiles(t, map[string]string{"packseal.yaml": mainFile + "packs_file: more.yaml\n", "more.yaml": "packs: [{id: cp-9}]\n"})
	if c, _, err = Load(one); err != nil || len(c.Entries()) != 1 {
		t.Error(err)
	}
}

// TestBadPacksFiles: what is wrong with the packs of a file is said with its name, its
// line and the path in it.
func TestBadPacksFiles(t *testing.T) {
	t.Parallel()
	const pattern = "packs_file: packs.d/*.yaml\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"faults of packs": {map[string]string{"packseal.yaml": mainFile + "packs: [{id: cp-1}]\n" + pattern, "packs.d/a.yaml": "packs:\n  - id: cp-2\n  - id: cp-3\n    schedule: never\n    sinks: [b]\n", "packs.d/b.yaml": "packs: [{ID: cp-4}]\n"},
			"packs.d/a.yaml:4: packs[1].schedule: schedule \"never\": expected 5 to 6 fields, found 1: [never]\n  hint: five fields, minute first (\"0 2 * * *\" is 02:00 each day), six with seconds first, @daily and its like, or \"@every 15m\"\n" +
				"packs.d/a.yaml:5: packs[1].sinks: lacks \"a\", the first sink, which keeps every report and decides\n  hint: add \"a\"\n" +
				"packs.d/a.yaml:5: packs[1].sinks[0]: there is no sink \"b\"\n  hint: did you mean \"a\"?\n" +
				"packs.d/b.yaml:1: packs[0].id: missing: a compliance pack needs one\n  hint: it begins with \"cp-\"; reports of other kinds have a kind: rules, template, inventory\npacks.d/b.yaml:1: packs[0].ID: unknown key\n  hint: did you mean \"id\"?\n5 faults"},
		"duplicates": {map[string]string{"packseal.yaml": mainFile + "packs: [{id: cp-1}]\n" + pattern, "packs.d/a.yaml": "packs:\n- id: cp-2\n- id: cp-2\n", "packs.d/b.yaml": "packs:\n- {id: cp-3}\n- {id: cp-1}\n- {id: cp-2}\n"},
			"packs.d/a.yaml:3: packs[1].id: duplicate pack, first defined in packs[0]\n  hint: a pack has one schedule: combine the two entries\n" +
				"packs.d/b.yaml:3: packs[1].id: duplicate pack, first defined in packseal.yaml:4\n  hint: a pack has one schedule: combine the two entries\n" +
				"packs.d/b.yaml:4: packs[2].id: duplicate pack, first defined in packs.d/a.yaml:2\n  hint: a pack has one schedule: combine the two entries\n3 faults"},
		"empty": {map[string]string{"packseal.yaml": mainFile + pattern, "packs.d/a.yaml": "", "packs.d/b.yaml": "packs:\n", "packs.d/c.yaml": "- id: cp-1\n"},
			"packs.d/c.yaml:1: expected keys and values, found a list\n  hint: " + packsHint + "\npackseal.yaml:4: packs_file: warning: packs.d/a.yaml holds no packs\n  hint: " + packsHint +
				"\npackseal.yaml:4: packs_file: warning: packs.d/b.yaml holds no packs\n  hint: " + packsHint + "\n1 fault, 2 warnings"},
		"more than packs": {map[string]string{"packseal.yaml": mainFile + pattern, "packs.d/a.yaml": "packs_file: b.yaml\nstate_dir: x\npack: []\n"},
			"packs.d/a.yaml:1: packs_file: unknown key\n  hint: a file of packs cannot name others: give the configuration a pattern that matches them all\n" +
				"packs.d/a.yaml:2: state_dir: unknown key\n  hint: only packs can be in a file of packs; all else is in packseal.yaml\npacks.d/a.yaml:3: pack: unknown key\n  hint: did you mean \"packs\"?\n3 faults"},
		"a folder": {map[string]string{"packseal.yaml": mainFile + "packs_file: packs.d\n", "packs.d/a.yaml": ""}, "packs.d: reading the configuration: is a directory\n  hint: name the files in it: packs_file: packs.d/*.yaml\n1 fault"},
		"itself":   {map[string]string{"packseal.yaml": mainFile + "packs_file: '*.yaml'\n"}, "packseal.yaml:4: packs_file: \"packseal.yaml\" is this file itself\n  hint: put the packs into files of their own: packs_file: packs.d/*.yaml\n1 fault"},
		"missing":  {map[string]string{"packseal.yaml": mainFile + "packs_file: more.yaml\n"}, "more.yaml: reading the configuration: no such file or directory\n  hint: packs_file in packseal.yaml names it\n1 fault"},
		"any depth": {map[string]string{"packseal.yaml": mainFile + "packs_file: packs.d/**/*.yaml\n", "packs.d/a/a.yaml": "packs: [{id: cp-1}]\n"},
			"packseal.yaml:4: packs_file: ** in \"packs.d/**/*.yaml\" does not stand for folders at any depth\n  hint: * stands for names in one folder: packs.d/*.yaml, or of each folder in it packs.d/*/*.yaml\n1 fault"},
		"no match":     {map[string]string{"packseal.yaml": mainFile + pattern}, "packseal.yaml:4: packs_file: no file matches \"packs.d/*.yaml\"\n  hint: a pattern must match at least one file\n1 fault"},
		"many too big": {map[string]string{"packseal.yaml": mainFile + pattern, "packs.d/a.yaml": "packs: []\n" + strings.Repeat("#\n", maxSize/4), "packs.d/b.yaml": "packs: []\n" + strings.Repeat("#\n", maxSize/4)}, "packseal.yaml:4: packs_file: its files are over 16 MiB together\n1 fault"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := inFiles(t, c.files)
			_, _, err := Load(file)
			if err == nil {
				t.Fatal("good")
			}
			if d := cmp.Diff(c.want, strings.ReplaceAll(err.Error(), filepath.Dir(file)+"/", "")); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestWarnings: what is no fault and yet no way to keep reports is told of. The names of
// files are all written alike.
func TestWarnings(t *testing.T) {
	t.Parallel()
	const pattern, off = "packs_file: packs.d/*.yaml\n", "sources: {prod: {enabled: false, cloudconfig: {endpoint: 'http://127.0.0.1:1'%s}}}\nsinks: [{name: a, local: {dir: d}}]\npacks: [{id: cp-1}]\n"
	const keys = ", ca_file: nowhere.pem, credentials: {access_key_id_file: nowhere, access_key_secret_file: nowhere}"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"empty files": {map[string]string{"packseal.yaml": mainFile + "packs: [{id: cp-1}]\n" + pattern, "packs.d/a.yaml": "", "packs.d/b.yaml": "# nothing yet\n", "packs.d/c.yaml": "packs:\n"},
			"packseal.yaml:5: packs_file: warning: packs.d/a.yaml holds no packs\n  hint: " + packsHint + "\npackseal.yaml:5: packs_file: warning: packs.d/b.yaml holds no packs\n  hint: " + packsHint +
				"\npackseal.yaml:5: packs_file: warning: packs.d/c.yaml holds no packs\n  hint: " + packsHint + "\n"},
		"no packs yet": {map[string]string{"packseal.yaml": mainFile + pattern, "packs.d/a.yaml": "packs: []\n"},
			"packseal.yaml: packs: warning: no pack is configured\n  hint: packs: [{id: cp-…}], or a source with discover: {rules: [{}]}\n"},
		"in a file":    {map[string]string{"packseal.yaml": strings.Replace(mainFile, "}]", "}, {name: b, local: {dir: e}}]", 1) + pattern, "packs.d/a.yaml": "packs: [{id: cp-1, sinks: [a]}]\n"}, "packseal.yaml:2: sinks[1]: warning: no pack's reports are kept in it\n  hint: name it in the sinks of packs, of a source or of defaults, or remove it\n"},
		"sources off":  {map[string]string{"packseal.yaml": fmt.Sprintf(off, keys)}, "packseal.yaml:1: sources: warning: no report is kept: every source has enabled: false\n"},
		"packs off":    {map[string]string{"packseal.yaml": mainFile + "packs: [{id: cp-1, enabled: false}]\n"}, "packseal.yaml:4: packs: warning: no report is kept: every pack, or its source, has enabled: false\n"},
		"channels off": {map[string]string{"packseal.yaml": mainFile + "packs: [{id: cp-1}]\nnotify: [{name: n, enabled: false, webhook: {url_file: nowhere}}]\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := inFiles(t, c.files)
			cfg, warnings, err := Load(filepath.Dir(file) + "/./" + filepath.Base(file))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, w := range warnings {
				got += cfg.Locate(w).String() + "\n"
			}
			if d := cmp.Diff(c.want, strings.ReplaceAll(got, filepath.Dir(file)+"/", "")); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestUnreadablePacksFile: a dangling link is told of, and so is the place of a
// warning in a file of packs.
func TestUnreadablePacksFile(t *testing.T) {
	t.Parallel()
	file := inFiles(t, map[string]string{"packseal.yaml": mainFile + "packs_file: packs.d/*.yaml\n", "packs.d/b.yaml": "packs: [{id: cp-1}]\n"})
	link := filepath.Join(filepath.Dir(file), "packs.d/a.yaml")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(file); err == nil || !strings.HasPrefix(err.Error(), link+": reading the configuration: no such file or directory") {
		t.Error(err)
	}
}

// TestUnusedSink: a sink that nothing is kept in is a warning.
func TestUnusedSink(t *testing.T) {
	t.Parallel()
	const two = "sources: {prod: {%scloudconfig: {endpoint: 'http://127.0.0.1:1'}%s}}\npacks: [{id: cp-1, %s}]\nsinks: [{name: a, local: {dir: d}}, {name: b, local: {dir: e}}]\n"
	for want, args := range map[string][]any{
		"":   {"", "", "sinks: [a, b]"},
		" ":  {"", "", ""},
		"  ": {"sinks: [a], ", ", discover: {rules: [{sinks: [a, b]}]}", ""},
		"sinks[1]: no pack's reports are kept in it": {"sinks: [a], ", "", ""},
	} {
		c, warnings, err := Parse("c.yaml", fmt.Appendf(nil, two, args...))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, w := range warnings {
			got += w.Path + ": " + w.Message
		}
		if got != strings.TrimSpace(want) {
			t.Errorf("%v: %q", args, got)
		}
		if len(warnings) > 0 && c.Locate(warnings[0]).Line != 3 {
			t.Errorf("%+v", c.Locate(warnings[0]))
		}
	}
}

// TestSinksOfPacks: a pack's own choice comes before its source's, that before the one
// of defaults; a pack that left the file has its source's.
func TestSinksOfPacks(t *testing.T) {
	t.Parallel()
	c := parse(t, `sources:
  s: {sinks: [a, b], cloudconfig: {endpoint: 'http://127.0.0.1:1'}}
  t: {cloudconfig: {endpoint: 'http://127.0.0.1:1'}}
defaults: {sinks: [a, c]}
packs: [{id: cp-1, source: s}, {id: cp-2, source: t}, {id: cp-3, source: s, sinks: [a]}]
sinks: [{name: a, local: {dir: a}}, {name: b, local: {dir: b}}, {name: c, local: {dir: c}}]
`)
	var got [][]string
	for _, e := range append(c.Entries(), c.Former(c.Entries()[2].PackRef, ""), c.Former(c.Entries()[1].PackRef, "")) {
		got = append(got, e.Sinks)
	}
	if d := cmp.Diff([][]string{{"a", "b"}, {"a", "c"}, {"a"}, {"a", "b"}, {"a", "c"}}, got); d != "" {
		t.Error(d)
	}
}

// BenchmarkLoad loads 1,000 packs, from one file and from a hundred.
func BenchmarkLoad(b *testing.B) {
	pack := func(i int) string {
		return fmt.Sprintf("  - {id: cp-%020d, name: Pack %d, labels: {owner: team-%d}, schedule: '%d 2 * * *', sinks: [a]}\n", i, i, i%7, i%60)
	}
	all, parts := "packs:\n", map[string]string{"packseal.yaml": mainFile + "packs_file: packs.d/*.yaml\n"}
	for i := range 1000 {
		all += pack(i)
		name := fmt.Sprintf("packs.d/%02d.yaml", i%100)
		if parts[name] == "" {
			parts[name] = "packs:\n"
		}
		parts[name] += pack(i)
	}
	for name, files := range map[string]map[string]string{"one": {"packseal.yaml": mainFile + all}, "hundred": parts} {
		b.Run(name, func(b *testing.B) {
			file := inFiles(b, files)
			for b.Loop() {
				if c, _, err := Load(file); err != nil || len(c.Entries()) != 1000 {
					b.Fatal(err)
				}
			}
		})
	}
}
