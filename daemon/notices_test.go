package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/notify"
	"packseal.example/notify/notifytest"
	"packseal.example/test/lab"
)

// notifying writes a configuration of a good and a missing pack, and a channel
// to each receiver.
func notifying(t *testing.T, receivers *notifytest.Server) (path string) {
	t.Helper()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	address := httptest.NewServer(receivers)
	t.Cleanup(address.Close)
	dir := t.TempDir()
	files := map[string]string{"sign": receivers.Secret}
	channels := "notify:\n"
	for _, receiver := range notifytest.Receivers() {
		more := ""
		switch receiver {
		case notifytest.DingTalk, notifytest.Feishu, notifytest.Webhook:
			more = ", secret_file: sign"
		case notifytest.Ntfy:
			more = ", token_file: sign"
		}
		entry, content := receivers.Setting(address.URL, receiver, receiver, more)
		files[receiver] = content
		settings := "language: both, group: 1ms, digest: '@yearly', "
		if receiver == notifytest.Ping {
			settings = ""
		}
		channels += fmt.Sprintf("  - {name: to-%s, %s%s}\n", receiver, settings, entry)
	}
	lab.Write(t, dir, files)
	return lab.Setup{
		Dir: dir, Endpoint: endpoint, More: channels,
		Packs: []string{lab.Pack, "{id: " + sim.MissingPackID + ", name: not there, since: 2020-01-01T00:00:00Z}"},
	}.Write(t)
}

// everybody waits until every receiver of people has so many messages: what is
// no longer true is not sent.
func everybody(t *testing.T, s *notifytest.Server, n int) {
	t.Helper()
	for _, receiver := range notifytest.Receivers() {
		if receiver != notifytest.Ping {
			taken(t, s, receiver, n)
		}
	}
}

// taken waits until a receiver has so many messages, and returns the last.
func taken(t *testing.T, s *notifytest.Server, receiver string, n int) notifytest.Delivery {
	t.Helper()
	lab.Eventually(t, fmt.Sprintf("%s has %d messages", receiver, n), func() bool { return len(s.Taken(receiver)) >= n })
	return s.Taken(receiver)[n-1]
}

// TestNotices: a daemon tells every channel of a gap, once, over a reload and
// a restart, and of a reload that failed.
func TestNotices(t *testing.T) {
	t.Parallel()
	people := &notifytest.Server{Token: "token-0123456789", Secret: "secret-0123456789"}
	path := notifying(t, people)
	d := start(t, path, io.Discard)
	d.await(t, 1)
	for _, receiver := range notifytest.Receivers() {
		got := taken(t, people, receiver, 1)
		switch {
		case receiver == notifytest.Ping:
			if !strings.HasPrefix(got.Path, "POST") || !strings.Contains(got.Text, "packseal: OK") {
				t.Errorf("pinged with %+v", got)
			}
		case !strings.Contains(got.Text, "not there") || !strings.Contains(got.Text, "合规包、报告模板、账号组或账号不存在"):
			t.Errorf("%s got %+v", receiver, got)
		}
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lab.Write(t, filepath.Dir(path), map[string]string{"packseal.yaml": string(good) + "paks: []\n"})
	if err := d.Reload(t.Context()); err == nil {
		t.Error("a bad configuration was loaded")
	}
	if got := taken(t, people, notifytest.Feishu, 2); !strings.Contains(got.Text, "paks") || !strings.Contains(got.Title, "配置加载失败") {
		t.Errorf("got %+v", got)
	}
	everybody(t, people, 2)
	// One that is good, but can't be opened.
	lab.Write(t, filepath.Dir(path), map[string]string{"packseal.yaml": string(good)})
	load := d.Load
	d.Load = unopenable(load)
	if err := d.Reload(t.Context()); err == nil {
		t.Error("a source was opened without its CA")
	}
	if got := taken(t, people, notifytest.Feishu, 3); !strings.Contains(got.Text, "gone.pem") {
		t.Errorf("got %+v", got)
	}
	everybody(t, people, 3)
	d.Load = load
	if err := d.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	d.await(t, 1)
	d.stop()
	pings := len(people.Taken(notifytest.Ping))
	d = start(t, path, io.Discard)
	d.await(t, 1)
	taken(t, people, notifytest.Ping, pings+1)
	d.stop()
	for _, receiver := range notifytest.Receivers() {
		if n := people.Tried(receiver); receiver != notifytest.Ping && n != 3 {
			t.Errorf("%s was told %d times: %+v", receiver, n, people.Taken(receiver))
		}
	}
}

// TestWhatNoticesSay compares what the daemon reports of itself with its
// archive: digest, health, overdue and findings.
func TestWhatNoticesSay(t *testing.T) {
	t.Parallel()
	people := &notifytest.Server{Token: "token-0123456789", Secret: "secret-0123456789"}
	d := start(t, notifying(t, people), io.Discard)
	d.await(t, 1)
	e := d.services.Load()
	if err := e.health(); err != nil || len(e.allOverdue()) > 0 {
		t.Errorf("health: %v, overdue: %v", err, e.allOverdue())
	}
	year := time.Date(time.Now().UTC().Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	got, err := e.digest(t.Context(), notify.Match{}, year.Add(-time.Second), year)
	if err != nil || got.Packs != 2 || got.Sealed != 1 || len(got.Gaps) != 1 || got.Gaps[0].Reason != fault.NotFound || !got.Next.Equal(year.AddDate(1, 0, 0)) || got.Unread != 0 {
		t.Errorf("digest: %+v, %v", got, err)
	}
	if got, err = e.digest(t.Context(), notify.Match{}, year, year.Add(time.Hour)); err != nil || got.Sealed+len(got.Gaps) != 0 {
		t.Errorf("digest of a period without slots: %+v, %v", got, err)
	}
	if err := SaveVerified(e.cfg.StateDir, archive.Result{Problems: []archive.Problem{{Kind: archive.Altered}}}); err != nil {
		t.Fatal(err)
	}
	if got, err = e.digest(t.Context(), notify.Match{}, year, year); err != nil || got.Problems["altered"] != 1 || len(got.Problems) != 1 {
		t.Errorf("digest after findings: %+v, %v", got, err)
	}
	var kept map[string]struct{ Since time.Time }
	b, err := os.ReadFile(filepath.Join(e.cfg.StateDir, "notify.json"))
	if err == nil {
		err = json.Unmarshal(b, &kept)
	}
	if err != nil || len(kept) != len(notifytest.Receivers()) || kept["to-wecom"].Since.IsZero() {
		t.Errorf("kept %s, %v", b, err)
	}
}

// TestOverdue: a slot of long ago that can't be settled is overdue, for the
// page, the notices and the dead man's switch alike.
func TestOverdue(t *testing.T) {
	t.Parallel()
	path := lab.Setup{
		Defaults: `schedule: "0 0 1 1 *", time_zone: UTC, catch_up: 8784h, timeout: 1h`,
		Packs:    []string{"{id: cp-1, name: level 3}"},
	}.Write(t)
	cfg, err := (&ConfigFile{Path: path}).Load()
	if err != nil {
		t.Fatal(err)
	}
	a, err := OpenArchive(t.Context(), cfg, ArchiveOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	year := time.Date(time.Now().UTC().Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	if err := a.Gap(t.Context(), evidence.Slot{Source: "prod", Pack: "cp-1", Due: year.AddDate(-1, 0, 0)}, fault.Missed, ""); err != nil {
		t.Fatal(err)
	}
	d := start(t, path, io.Discard)
	d.await(t, 1)
	e := d.services.Load()
	lab.Eventually(t, "it is known what was due", func() bool { return len(e.allOverdue()) > 0 })
	overdue := e.allOverdue()
	if len(overdue) != 1 || !overdue[0].Due.Equal(year) || overdue[0].Name != "level 3" {
		t.Errorf("overdue: %+v", overdue)
	}
	if got := d.packs(t)[0].State; got != "overdue" {
		t.Errorf("the page says %s", got)
	}
	d.ready(t)
	if err := e.health(); err == nil || !strings.Contains(err.Error(), "1 of 1 packs overdue") {
		t.Errorf("health: %v", err)
	}
}

// TestBlockedIsTold: what keeps slots waiting is told at once, once for all
// attempts, with what to do; and so is the recovery.
func TestBlockedIsTold(t *testing.T) {
	t.Parallel()
	denied := sim.Script{Failures: []sim.Failure{{Status: 403, Code: "NoPermission", Times: 2}}}
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack, Script: denied})
	people := &notifytest.Server{Token: "token-0123456789"}
	address := httptest.NewServer(people)
	t.Cleanup(address.Close)
	dir := t.TempDir()
	lab.Write(t, dir, map[string]string{"url": people.Address(address.URL, notifytest.WeCom)})
	d := start(t, lab.Setup{
		Dir: dir, Endpoint: endpoint,
		More: "notify: [{name: team, on: [blocked, recovered], group: 1ms, wecom: {url_file: url}}]\n",
	}.Write(t), io.Discard)
	first := taken(t, people, notifytest.WeCom, 1)
	for _, want := range []string{"1 pack blocked", "a permission is missing", "What to do: allow the RAM action config:", "Tried again until"} {
		if !strings.Contains(first.Text, want) {
			t.Errorf("no %q in %s", want, first.Text)
		}
	}
	d.await(t, 1)
	if last := taken(t, people, notifytest.WeCom, 2); !strings.Contains(last.Text, "Recovered") {
		t.Errorf("got %s", last.Text)
	}
}

// TestNews: a broadcast about a slot that is settled is read as before, and by a
// replica that knows no blocked slots, one about those as a slot in no state.
func TestNews(t *testing.T) {
	t.Parallel()
	e := catalog.Event{Record: evidence.Record{Slot: evidence.Slot{Source: "prod", Pack: "cp-1"}, State: evidence.Sealed}, Sealed: 3}
	old, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var got news
	if err := json.Unmarshal(old, &got); err != nil || got.Event != e || got.Blocked != nil {
		t.Errorf("read as %+v, %v", got, err)
	}
	sent, err := json.Marshal(news{Blocked: &notify.Event{Source: "prod", Pack: "cp-1", Reason: fault.Denied}})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(sent, &got); err != nil || got.Blocked == nil || got.Blocked.Reason != fault.Denied {
		t.Errorf("%s is read as %+v, %v", sent, got, err)
	}
	if err := json.Unmarshal(sent, &e); err != nil || e.State != "" {
		t.Errorf("an older replica reads %s as %+v, %v", sent, e, err)
	}
}
