package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/control"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/queue"
	"packseal.example/test/lab"
)

const quickPack = "cp-fdc8626622af00f90000"

// queueing is a configuration with a pack whose slots fall due each second, and
// one whose report is never finished.
func queueing(t *testing.T) lab.Setup {
	t.Helper()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: quickPack}, sim.Pack{ID: slowPack, Script: sim.Script{Never: true}})
	return lab.Setup{
		Dir: t.TempDir(), Endpoint: endpoint, State: strings.Repeat("state-", 30),
		Defaults: `schedule: "0 0 1 1 *", catch_up: 8784h`, Fetch: "poll_min: 10ms, poll_max: 100ms",
		Web:   `listen: "127.0.0.1:0", reload: true`,
		Packs: []string{`{id: ` + quickPack + `, schedule: "@every 1s", timeout: 3s}`, `{id: ` + slowPack + `, timeout: 1h}`},
	}
}

// verb runs packseal queue and returns how it ended and what it printed.
func verb(t *testing.T, path string, args ...string) (code int, out, talk string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append(append([]string{"queue"}, args...), "--config", path), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// says runs the verb until it succeeds and prints all of what is wanted.
func says(t *testing.T, path string, args []string, want ...string) {
	t.Helper()
	var out, talk string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); fault.Sleep(t.Context(), 20*time.Millisecond) {
		var code int
		code, out, talk = verb(t, path, args...)
		missing := code != 0
		for _, w := range want {
			missing = missing || !strings.Contains(out, w)
		}
		if !missing {
			return
		}
	}
	t.Fatalf("queue %q never says %q:\n%s%s", args, want, out, talk)
}

// TestQueueVerb lists, pauses and resumes a daemon's work, over a restart, and
// what is paused too long is a gap that says so.
func TestQueueVerb(t *testing.T) {
	t.Parallel()
	path := queueing(t).Write(t)
	if code, out, talk := verb(t, path); code != exitTransient || out != "" || !strings.Contains(talk, "no daemon runs") || !strings.Contains(talk, "hint: ") {
		t.Errorf("without a daemon: %d %s%s", code, out, talk)
	}
	d := startRun(t, path)
	says(t, path, nil, "working  prod/"+slowPack+"@", "SINCE")
	says(t, path, []string{slowPack, "--source", "prod"}, "1 working, 0 retrying, 0 paused, 0 waiting")

	code, out, talk := verb(t, path, "pause", "prod", quickPack, "--why", "the bucket moves")
	if code != 0 || out != "prod is paused\nprod/"+quickPack+" is paused\n" {
		t.Errorf("pausing: %d %s%s", code, out, talk)
	}
	if _, out, _ = verb(t, path, "pause", "prod", "--why", "again"); !strings.Contains(out, "was paused already, since ") || !strings.HasSuffix(out, ": the bucket moves\n") {
		t.Errorf("pausing again: %s", out)
	}
	lab.Eventually(t, "the paused pack has a gap that says so", func() bool { // one that was tried before says more
		var out bytes.Buffer
		run(t.Context(), []string{"list", "--json", "--config", path, quickPack}, &out, io.Discard)
		for line := range strings.Lines(out.String()) {
			var r evidence.Record
			if json.Unmarshal([]byte(line), &r) == nil && r.Reason == fault.Paused && strings.Contains(r.Detail, "source prod has been paused since ") && strings.HasSuffix(r.Detail, ": the bucket moves") {
				return true
			}
		}
		return false
	})
	if page := d.get(t, "/api/v1/packs"); strings.Count(page, `"why":"the bucket moves"`) != 2 {
		t.Errorf("the page says %s", page)
	}
	if text := d.get(t, "/metrics"); !strings.Contains(text, `packseal_paused{source="prod"} 2`) {
		t.Error("the metrics know no pause")
	}
	d.stop()

	log := d.log.String()
	d = startRun(t, path)
	says(t, path, nil, "paused ", " ago: prod, by ", ": prod/"+quickPack+", by ", "paused  prod/"+quickPack+"@")
	if code, out, _ = verb(t, path, "resume", quickPack); code != 0 || !strings.Contains(out, "stays paused with its source") {
		t.Errorf("resuming a pack of a paused source: %d %s", code, out)
	}
	sealed := func() int { return d.sealed(t, "prod/"+quickPack) }
	before := sealed()
	if code, out, _ = verb(t, path, "resume", "prod", quickPack); code != 0 || out != "prod goes on\nprod/"+quickPack+" was not paused\n" {
		t.Errorf("resuming: %d %s", code, out)
	}
	lab.Eventually(t, "the resumed pack is sealed", func() bool { return sealed() > before })
	for _, said := range []string{`"msg":"paused","source":"prod","pack":"","by":"`, `"reason":"paused"`} {
		if !strings.Contains(log, said) {
			t.Errorf("the log does not say %s", said)
		}
	}
}

// TestQueueJSON: each line is one thing, the total last; pause and resume print
// what came of each name.
func TestQueueJSON(t *testing.T) {
	t.Parallel()
	path := queueing(t).Write(t)
	startRun(t, path)
	says(t, path, nil, "working  prod/"+slowPack)
	var o control.Outcome
	_, out, _ := verb(t, path, "pause", slowPack, "--why", "w", "--for", "2h", "--json")
	if err := json.Unmarshal([]byte(out), &o); err != nil || o.Source != "prod" || o.Pack != slowPack || !o.Changed || o.Why != "w" || o.By == "" || o.Since.IsZero() || !o.Until.Equal(o.Since.Add(2*time.Hour)) {
		t.Errorf("%v: %s", err, out)
	}
	_, out, _ = verb(t, path, "--json", "--all", slowPack)
	var got []control.Line
	for line := range strings.Lines(out) {
		var l control.Line
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		got = append(got, l)
	}
	if len(got) != 4 || got[0].Pause == nil || got[1].Member == nil || !got[1].Member.Self || got[2].Slot == nil || got[3].Total == nil {
		t.Fatalf("printed is\n%s", out)
	}
	if s := got[2].Slot; s.State != queue.Working || s.Pack != slowPack || s.Paused == nil || s.Member != got[1].Member.Name || s.Since.IsZero() || s.Delivered != 1 {
		t.Errorf("the slot: %+v", s)
	}
	if got[3].Total.States[queue.Working] != 1 || got[3].Total.Listed != 1 || got[3].Total.More != 0 {
		t.Errorf("the total: %+v", got[3].Total)
	}
}

// TestQueueRefuses what nobody can mean, with a hint.
func TestQueueRefuses(t *testing.T) {
	t.Parallel()
	path := queueing(t).Write(t)
	startRun(t, path)
	says(t, path, nil, "working")
	for _, c := range []struct {
		args string
		want string
	}{
		{"pause --why w", "pause takes sources or packs"},
		{"pause prod", "--why is required"},
		{"pause prodd --why w", "hint: did you mean prod?"},
		{"pause cp-fdc8626622af00f9000 --why w", "hint: did you mean " + quickPack + "?"},
		{"pause cp-something-else --why w", "hint: packseal next lists"},
		{"resume prodd", `no source or pack "prodd"`},
		{"resume", "resume takes sources or packs"},
		{"cp-nothing", `no source or pack "cp-nothing"`},
		{"--source prodd", "hint: did you mean prod?"},
	} {
		if code, out, talk := verb(t, path, strings.Fields(c.args)...); code != exitUsage || out != "" || !strings.Contains(talk, c.want) {
			t.Errorf("queue %s: %d %s%s", c.args, code, out, talk)
		}
	}
	if code, _, talk := verb(t, path, "pause", "prod", "--why", strings.Repeat("w", 501)); code != exitFailed || !strings.Contains(talk, "longer than 500 bytes") {
		t.Errorf("a long reason: %d %s", code, talk)
	}
	if _, out, _ := verb(t, path); strings.Contains(out, " ago: prod") {
		t.Errorf("something is paused: %s", out)
	}
}

// TestQueueWhileStarting: a replica that waits for others says so.
func TestQueueWhileStarting(t *testing.T) {
	t.Parallel()
	setup, own := queueing(t), lab.Addresses(t, 3)
	lab.Write(t, setup.Dir, map[string]string{"token": "between-replicas"})
	setup.More = fmt.Sprintf(`queue: {embedded: {cluster: {listen: "%s", routes: ["%s"], token_file: token}}}`+"\n", own[0], strings.Join(own, `", "`))
	path := setup.Write(t)
	d := startRun(t, path)
	var code int
	var out, talk string
	lab.Eventually(t, "the socket is served", func() bool {
		code, out, talk = verb(t, path)
		return !strings.Contains(talk, "no daemon runs")
	})
	if code != exitTransient || out != "" || !strings.Contains(talk, "packseal is starting") || !strings.Contains(talk, "hint: it may wait for other replicas") {
		t.Errorf("a replica that waits: %d %s%s", code, out, talk)
	}
	d.stop()
}

// TestQueueWithoutSocket: a daemon that can't open the socket says so, and
// works.
func TestQueueWithoutSocket(t *testing.T) {
	t.Parallel()
	setup := queueing(t)
	if err := os.MkdirAll(filepath.Join(setup.Dir, setup.State, control.Name), 0o700); err != nil {
		t.Fatal(err)
	}
	d := startRun(t, setup.Write(t))
	lab.Eventually(t, "a slot is sealed without the socket", func() bool { return d.sealed(t, "prod/"+quickPack) > 0 })
	if !strings.Contains(d.log.String(), "control socket not served") {
		t.Error("the log does not say that there is no socket")
	}
}

// TestQueueDuringReload: a daemon that reloads answers.
func TestQueueDuringReload(t *testing.T) {
	t.Parallel()
	path := queueing(t).Write(t)
	d := startRun(t, path)
	says(t, path, nil, "working")
	reloaded := make(chan string, 1)
	go func() {
		resp, err := http.Post(d.url+"/-/reload", "", nil)
		if err != nil {
			reloaded <- err.Error()
			return
		}
		resp.Body.Close()
		reloaded <- resp.Status
	}()
	for done := false; !done; {
		select {
		case status := <-reloaded:
			if done = true; status != "200 OK" {
				t.Error(status)
			}
		default:
		}
		if code, _, talk := verb(t, path); code != 0 && code != exitTransient {
			t.Fatalf("during a reload: %d %s", code, talk)
		}
	}
	says(t, path, nil, "working")
}
