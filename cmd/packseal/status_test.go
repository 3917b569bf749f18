package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/control"
	"packseal.example/internal/evidence"
	"packseal.example/scheduler/queue"
	"packseal.example/test/lab"
)

// TestStatusAndReload: the daemon says how it is doing and loads its configuration
// anew; a bad one is told as that, and changes nothing.
func TestStatusAndReload(t *testing.T) {
	t.Parallel()
	_, endpoint := simulate(t)
	setup := lab.Setup{Dir: t.TempDir(), Endpoint: endpoint}
	path := setup.Write(t)
	says := func(want int, args ...string) string {
		t.Helper()
		var out strings.Builder
		if code := run(t.Context(), append(args, "--config", path), &out, &out); code != want {
			t.Errorf("%q ended with %d: %s", args, code, out.String())
		}
		return out.String()
	}
	if out := says(exitTransient, "status"); !strings.Contains(out, "no daemon runs") {
		t.Errorf("without a daemon: %s", out)
	}
	if out := says(exitTransient, "reload"); !strings.Contains(out, "no daemon runs") {
		t.Errorf("without a daemon: %s", out)
	}
	d := startRun(t, path)
	d.settled(t)
	var st control.Status
	if err := json.Unmarshal([]byte(says(0, "status", "--json")), &st); err != nil || !st.Ready || st.PID != os.Getpid() || st.Packs["sealed"] != 1 || st.Next == nil || st.Next.Pack != lab.Pack {
		t.Errorf("%+v, %v", st, err)
	}
	setup.Packs = []string{lab.Pack, "{id: " + lab.Another + ", name: 等保三级, schedule: \"@every 100h\"}"}
	setup.Write(t)
	if out := says(0, "reload"); out != "reloaded\n" {
		t.Errorf("after a reload: %s", out)
	}
	d.settled(t)
	says(0, "queue", "pause", "prod", "--why", "the bucket moves", "--for", "48h")
	out := says(0, "status")
	for _, want := range []string{"packseal dev ", "ready; running for ", "packs ", "2 sealed", "next ", lab.Another + " 等保三级", "0 reports waiting", "verified ", "never\n", "paused ", " until 20", "the bucket moves"} {
		if !strings.Contains(out, want) {
			t.Errorf("the status lacks %q:\n%s", want, out)
		}
	}
	setup.Packs = []string{"{id: rules}"}
	setup.Write(t)
	if out := says(exitUsage, "reload"); !strings.Contains(out, "packs[0].id") {
		t.Errorf("a bad one: %s", out)
	}
	for _, verb := range [][]string{{"status"}, {"packs"}, {"queue"}, {"queue", "resume", "prod"}} { // of the file they need state_dir alone
		if out := says(0, verb...); verb[0] == "status" && (!strings.Contains(out, "the file was rejected") || !strings.Contains(out, "packs[0].id") || !strings.Contains(out, lab.Another+" 等保三级")) {
			t.Errorf("with a bad file, %q says %s", verb, out)
		}
	}
	if out := says(exitUsage, "doctor"); !strings.Contains(out, "goes on with the configuration from before") || !strings.Contains(out, "packs[0].id") {
		t.Errorf("doctor: %s", out)
	}
	if page := d.get(t, "/"); !strings.Contains(page, "The changed configuration was rejected.") || !strings.Contains(page, "packs[0].id") {
		t.Errorf("the page does not tell of the bad file: %s", page)
	}
	if packs := d.packs(t); len(packs) != 2 {
		t.Errorf("the daemon has %d packs", len(packs))
	}
}

// TestPrintStatus: what is wrong is told, and no more than is known.
func TestPrintStatus(t *testing.T) {
	t.Parallel()
	spaces := regexp.MustCompile(" +")
	now := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	for want, st := range map[string]control.Status{
		"verified never\n": {},
		"verified has not passed yet; problems: 2 altered\n": {Problems: map[string]int{"altered": 2}},
		"ledger 1 record, not followed to its end yet\n":     {Ledger: &evidence.LedgerStatus{Size: 1}},
		"ledger 1234 records, followed to its end 1h00m ago; 2 records waiting; problems: 1 rolled_back; nothing is signed\n": {Ledger: &evidence.LedgerStatus{
			Size: 1234, Committed: now.Add(-time.Hour), Owed: 2, Problems: []evidence.LedgerProblem{{Kind: "rolled_back"}}, Error: "nothing is signed"}},
		"verified last passed 1h00m ago; problems: 1 absent\n": {Verified: now.Add(-time.Hour), Problems: map[string]int{"absent": 1}},
		"sink oss has been down for 1m00s: no route\n":         {Down: []control.DownSink{{Sink: "oss", Since: now.Add(-time.Minute), Why: "no route"}}},
		"configuration the file was rejected 1m00s ago, and the old configuration is in force: p.yaml:3: id: bad\nhint fix it\n": {
			Refused: true, RefusedAt: now.Add(-time.Minute), RefusedWhy: "p.yaml:3: id: bad", RefusedHint: "fix it"},
		"not kept 2 packs that exist: packseal packs lists them\nnot listed prod.12 (shop): denied\n": {NotKept: 2, Unlisted: []control.Unlisted{{Source: "prod.12", AccountName: "shop", Why: "denied"}}},
		"not listed a: x\nnot listed a: x\nnot listed a: x\nnot listed a: x\nnot listed a: x\nnot listed 2 more: packseal packs lists them\n": {
			Unlisted: slices.Repeat([]control.Unlisted{{Source: "a", Why: "x"}}, 7)},
		"spool 1 report waiting for a sink; its disk is full\n":                 {Spooled: 1, Full: true},
		"paused prod 1m00s ago, until 2026-04-01T01:00:00Z, by ops: the move\n": {Pauses: []queue.Pause{{Source: "prod", Since: now.Add(-time.Minute), Until: now.Add(time.Hour), By: "ops", Why: "the move"}}},
	} {
		var out strings.Builder
		st.Version, st.Ready, st.Started = "1", true, now
		if err := printStatus(&out, st, now); err != nil || !strings.Contains(spaces.ReplaceAllString(out.String(), " "), want) {
			t.Errorf("no %q in %v\n%s", want, err, out.String())
		}
	}
}

// TestFold: accounts that are paused with their source take no line of their own, in
// what pause, resume, queue and status print.
func TestFold(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	pause := func(source, pack, why string) queue.Pause {
		return queue.Pause{Source: source, Pack: pack, Since: now.Add(-time.Second), Until: now.Add(time.Hour), By: "ops", Why: why}
	}
	pauses := []queue.Pause{pause("prod", "", "move"), pause("prod.1", "", "move"), pause("prod.2", "", "move"), pause("prod.3", "", "other"), pause("prod.1", "cp-1", "move"), pause("test.1", "", "move")}
	var out strings.Builder
	table := &queueTable{out: &out, now: now}
	for i := range pauses {
		if err := table.print(control.Line{Pause: &pauses[i]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.print(control.Line{Total: &control.Total{}}); err != nil {
		t.Fatal(err)
	}
	const head = "paused 1s ago, until 2026-04-01T01:00:00Z: "
	want := head + "prod, with 2 accounts, by ops: move\n" + head + "prod.3, by ops: other\n" + head + "prod.1/cp-1, by ops: move\n" + head + "test.1, by ops: move\n"
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("queue prints\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	if err := printStatus(&out, control.Status{Ready: true, Pauses: pauses[:3]}, now); err != nil || strings.Count(out.String(), "paused") != 1 || !strings.Contains(out.String(), "prod, with 2 accounts, 1s ago, until") {
		t.Errorf("%v: %s", err, out.String())
	}
}
