package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"packseal.example/fetcher/cloudconfig/sim"
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

// TestNamesAndZones: each verb calls a pack by the name that Config has, and shows times
// in its own zone: of a pack that a rule keeps, of one that left the configuration, and
// in a copy of the archive.
func TestNamesAndZones(t *testing.T) {
	t.Parallel()
	const tokyo, unnamed, missing = "cp-00000000000000000001", "cp-00000000000000000002", "cp-00000000000000000003"
	_, endpoint := lab.Simulate(t, sim.Pack{ID: tokyo, Name: "東京"}, sim.Pack{ID: unnamed, Name: "of the file"})
	s := lab.Setup{
		Dir: t.TempDir(), Endpoint: endpoint, Packs: []string{unnamed, "{id: " + missing + ", time_zone: Asia/Karachi}"}, Defaults: strings.Replace(lab.Yearly, "time_zone: UTC", "time_zone: Asia/Dubai", 1),
		Discover: `rules: [{match: {name: "東*"}, time_zone: Asia/Tokyo}]`,
	}
	path := s.Write(t)
	d := startRun(t, path)
	lab.Eventually(t, "each pack has a slot settled, and the plan is recorded", func() bool {
		settled := 0
		for _, p := range d.packs(t) {
			if p.Counts != nil {
				settled += p.Sealed + p.Gaps
			}
		}
		plans, _ := filepath.Glob(filepath.Join(s.Dir, "archive", "packseal-ledger", "plan", "*"))
		return settled == 3 && slices.ContainsFunc(plans, func(file string) bool { // the first one may be of the file's packs alone
			plan, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(plan), tokyo)
		})
	})
	says := func(args ...string) string {
		t.Helper()
		var out strings.Builder
		if code := run(t.Context(), args, &out, &out); code != 0 {
			t.Errorf("%q ended with %d: %s", args, code, out.String())
		}
		return out.String()
	}
	holds := func(out string, patterns ...string) {
		t.Helper()
		for _, p := range patterns {
			if !regexp.MustCompile(p).MatchString(out) {
				t.Errorf("nothing matches %s in\n%s", p, out)
			}
		}
	}
	const inTokyo, inDubai = `-01-01 00:00:00 JST +東京`, `-01-01 00:00:00 \+04 +of the file`
	holds(says("list", "--config", path), inTokyo, inDubai)
	holds(says("status", "--config", path), `next +\d+-01-01 00:00:00 JST, .*東京`)
	holds(says("next", "--config", path), "東京", "of the file")
	holds(says("__complete", "cat", "--config", path, ""), tokyo+"\t東京", unnamed+"\tof the file")
	d.stop()
	holds(says("list", "--config", path, "--archive"), inTokyo, inDubai)
	gap := regexp.MustCompile(`prod/` + missing + `@\S+`).FindString(says("list", "--config", path))
	holds(says("ack", "--config", path, gap, "--why", "known", "--until", "2199-12-31"), `until 2199-12-31`)

	s.Discover, s.Packs = "", []string{unnamed} // the others have left the configuration
	s.Write(t)
	holds(says("list", "--config", path), inTokyo, inDubai, `-01-01 00:00:00 PKT .* until 2199-12-31`)
	holds(says("ack", "--config", path, gap, "--why", "known again", "--until", "2199-12-30"), `until 2199-12-30`)
	holds(says("list", "--dir", filepath.Join(s.Dir, "archive")), inTokyo, `-01-01 00:00:00 \+04 `, `-01-01 00:00:00 PKT `)
	holds(says("export", "--dir", filepath.Join(s.Dir, "archive"), "--output", filepath.Join(s.Dir, "out"), tokyo), `\d+-01-01 .*東京`)
}
