package main

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// picture is where to draw the dashboards' panels, once the test is through.
var picture = flag.String("picture", "", "draw what the dashboards show into this folder")

// brokenPacks are packs that come to grief.
func brokenPacks() []sim.Pack {
	return []sim.Pack{
		{ID: "cp-0000000000000000000a", Name: "Baseline"},
		{ID: "cp-0000000000000000000b", Name: "Throttled forever", Script: sim.Script{Throttles: math.MaxInt32}},
		{ID: "cp-0000000000000000000c", Name: "No permission", Script: sim.Script{Failures: []sim.Failure{{Code: "NoPermission", Times: math.MaxInt32}}}},
		{ID: "cp-0000000000000000000d", Name: "Links expired", Script: sim.Script{ExpiredLinks: 1, LinkLife: time.Minute}},
	}
}

// scene is a Prometheus that scrapes three daemons.
type scene struct {
	*asker
	dir                  string // Prometheus' own
	sound, broken, moved *daemon
}

// newScene begins it. Nobody vouches for the ledger of the sound daemon. Of the broken daemon the second sink is down, and its
// packs are refused; the others are sound.
func newScene(t *testing.T) *scene {
	t.Helper()
	dir := t.TempDir()
	s := &scene{dir: dir, asker: &asker{
		url: watch(t, dir), from: time.Now().Add(-10 * time.Second).Truncate(time.Second),
		boards: map[string]dashboard.VariableModel{}, chosen: map[string][]string{"cell": {"6s"}, "resolution": {"1s"}},
	}}
	for _, b := range boards() {
		for _, v := range b.variables {
			s.boards[v.Name] = v
		}
	}
	s.sound = newDaemon(t, "packseal-demo", "1m", sim.Demo())
	s.sound.ledger = `{origin: example.com/packseal/scene, key_file: ledger-key, stamps: [{name: silent, url: "http://127.0.0.1:9"}], witnesses: [{name: silent, url: "http://127.0.0.1:9", key: witness.example+3ac253b8+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}]}`
	s.sound.configure("@every 8s", sim.MissingPackID)
	if out, err := s.sound.Run("ledger", "init"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.run(t, s.sound)
	s.broken = newDaemon(t, "packseal-broken", "6s", brokenPacks())
	s.broken.sinks = `, {name: bucket, s3: {region: us-east-1, bucket: evidence, endpoint: "http://127.0.0.1:9", path_style: true, access_key_id_file: key-id, secret_access_key_file: key-secret}}`
	s.broken.configure("@every 8s")
	s.run(t, s.broken)
	s.moved = newDaemon(t, "packseal-moved", "1m", sim.Demo()[6:7])
	return s
}

// run runs a daemon, and has Prometheus scrape it.
func (s *scene) run(t *testing.T, d *daemon) *lab.Process {
	t.Helper()
	p := d.Start()
	p.Ready()
	target(t, s.dir, d.job, strings.TrimPrefix(p.URL(), "http://"))
	return p
}

// await waits until a condition holds.
func (s *scene) await(t *testing.T, condition string) {
	t.Helper()
	eventually(t, condition, func() bool { return s.holds(condition) })
}

// move runs a daemon for a while, alters a report of its archive, and starts
// it anew at another address, with nothing to do for the rest of the year.
func (s *scene) move(t *testing.T) *lab.Process {
	t.Helper()
	s.moved.configure("@every 4s")
	p := s.run(t, s.moved)
	s.await(t, `changes(packseal_archive_slots{job="packseal-moved", result="sealed"}[1h]) >= 2`)
	p.Stop()
	s.moved.damage(t)
	s.moved.verify(t, true)
	s.moved.configure("@yearly")
	return s.run(t, s.moved)
}

// TestAnswers has a real Prometheus answer every query of every panel, as
// Grafana asks it, on what it scraped from real daemons.
func TestAnswers(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	moved := s.move(t)
	restarted := time.Now()
	s.sound.verify(t, false)
	for _, condition := range []string{
		`count(sum by (pack) (packseal_archive_slots{job="packseal-demo"}) >= 2) == 9`,
		`packseal_verify_last_success_timestamp_seconds{job="packseal-demo"} > 0`,
		`packseal_sink_up{job="packseal-broken", sink="bucket"} == 0`,
		`packseal_spool_reports{job="packseal-broken"} > 0`,
		`sum(packseal_gaps_total{job="packseal-broken"}) > 2`,
		`packseal_api_throttled_total{job="packseal-broken"} > 0`,
		`packseal_link_refreshes_total{job="packseal-broken"} > 0`,
		fmt.Sprintf(`count_over_time(packseal_build_info{instance=%q}[1h]) > 15`, strings.TrimPrefix(moved.URL(), "http://")),
	} {
		s.await(t, condition)
	}
	s.to = time.Now()
	everything(t, s.asker)
	s.nothingNew(t, restarted)
	if *picture != "" {
		shown := *s.asker
		shown.from, shown.chosen = time.Now().Truncate(8*time.Second), map[string][]string{"cell": {"8s"}, "resolution": {"1s"}, "job": {s.sound.job, s.broken.job}}
		eventually(t, "enough to draw", func() bool { shown.to = time.Now(); return shown.to.Sub(shown.from) > 118*time.Second })
		draw(t, &shown, *picture)
	}
	moved.Stop()
	s.await(t, `up{job="packseal-moved"} == 0`)
	s.to, s.chosen["job"] = time.Now(), []string{s.moved.job}
	if n := s.number(t, panelsOf(evidence()), "Is anything missing?"); !math.IsNaN(n) {
		t.Errorf("nobody knows what a daemon that is down is missing, but the verdict is %v", n)
	}
}

// selector is where a metric is named.
var selector = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\{`)

// everything asks every query of every panel: for all there is, which must
// have an answer, and for one pack, whose name needs escaping.
func everything(t *testing.T, a *asker) {
	var known []string
	if err := a.get("/api/v1/label/__name__/values", nil, &known); err != nil {
		t.Fatal(err)
	}
	one := *a
	one.chosen = map[string][]string{
		"cell": {"12s"}, "resolution": {"1s"}, "job": {"packseal-demo"}, "source": {"prod"},
		"pack": {sim.Demo()[6].Key(), "a+b"},
	}
	for _, b := range boards() {
		for _, p := range append(panelsOf(b), annotations(b)...) {
			for _, q := range queriesOf(p) {
				for _, m := range selector.FindAllStringSubmatch(q.Expr, -1) {
					if !slices.Contains(known, m[1]) {
						t.Errorf("%s: %s asks for %s, which does not exist", b.name, *p.Title, m[1])
					}
				}
				all, err := a.answer(p, q)
				some, oneErr := one.answer(p, q)
				if err := errors.Join(err, oneErr); err != nil || !numbered(all) && !numbered(some) {
					t.Errorf("%s: %s: no answer, or none with a number: %v\n%s", b.name, *p.Title, err, q.Expr)
				}
			}
		}
		for _, v := range b.variables {
			if v.Definition != nil && len(a.values(v)) == 0 {
				t.Errorf("%s: nothing to choose for %s", b.name, v.Name)
			}
		}
	}
	panels := panelsOf(evidence())
	if n := one.number(t, panels, "Reports sealed"); n < 1 {
		t.Errorf("%v reports of the pack chosen", n)
	}
	if n := a.number(t, panels, "Is anything missing?"); n < 3 {
		t.Errorf("%v slots of all packs are missing, want those of the broken ones", n)
	}
}

// annotations are a dashboard's, as panels.
func annotations(b board) []*dashboard.Panel {
	note := b.dashboard().Annotations.List[0]
	return []*dashboard.Panel{panel{title: note.Name, kind: lines, queries: []query{{*note.Expr, ""}}}.panel(0)}
}

// seen is how long it takes at most until a new target is scraped.
const seen = 9 * time.Second

// nothingNew: a restart at another address changes no number.
func (s *scene) nothingNew(t *testing.T, restarted time.Time) {
	reports, gaps := len(s.moved.files(t, "manifest.json")), len(s.moved.files(t, "gap.json"))
	one := *s.asker
	one.chosen = map[string][]string{"cell": {"4s"}, "resolution": {"1s"}, "job": {s.moved.job}}
	panels := panelsOf(evidence())
	for title, want := range map[string]int{"Reports sealed": reports, "Reports kept": reports, "Gaps": gaps, "Is anything missing?": gaps, "Problems": 1} {
		if got := one.number(t, panels, title); got != float64(want) {
			t.Errorf("%s: %v of the daemon that moved, want %d", title, got, want)
		}
	}
	later := one
	later.from = restarted.Add(seen)
	if got := later.number(t, panels, "Reports sealed"); got != 0 {
		t.Errorf("%v reports sealed since the restart, want none", got)
	}
	i := slices.IndexFunc(panels, func(p *dashboard.Panel) bool { return p.Type == "status-history" })
	cells, err := one.answer(panels[i], queriesOf(panels[i])[0])
	if err != nil || len(cells) != 1 {
		t.Fatalf("%d rows in the calendar: %v", len(cells), err)
	}
	sealed := 0
	for _, p := range cells[0].points() {
		if int(p.value)&1 == 1 {
			sealed++
		}
		if p.at > float64(restarted.Add(seen).Unix()) && p.value != 0 {
			t.Errorf("the calendar has %v at %v, after the last slot", p.value, p.at)
		}
	}
	if sealed < 2 || sealed > reports {
		t.Errorf("%d cells with a sealed slot, but %d reports", sealed, reports)
	}
}
