// Package upgrade starts the program on what an earlier one has left: records
// of its archive, its spool, its queue's store, a pause and the small files of
// its state folder. Nothing may be done by hand for it.
package upgrade

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// fixtureLab is a lab with a copy of the fixture, whose API and webhook are
// where the test has them.
func fixtureLab(t *testing.T) (l *lab.Lab, people *receiver) {
	t.Helper()
	l = lab.New(t, sim.Pack{ID: daily}, sim.Pack{ID: "cp-member", Aggregator: "ca-group"}, sim.Pack{ID: spooled},
		sim.Pack{ID: retried}, sim.Pack{ID: asked, Script: sim.Script{Standing: time.Second}}, sim.Pack{ID: paused})
	unpack(t, l.Dir)
	people = newReceiver(t)
	l.Write("webhook-url", people.URL)
	raw, err := os.ReadFile(l.Path("packseal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	endpoint := regexp.MustCompile(`endpoint: "[^"]*"`)
	l.Write("packseal.yaml", endpoint.ReplaceAllString(string(raw), fmt.Sprintf("endpoint: %q", l.HTTP.URL)))
	return l, people
}

// TestUpgrade: all records are read, what was at work is settled in every sink,
// the pause holds, and nothing is lost or done twice.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	l, people := fixtureLab(t)
	before := lab.ReadArchive(l.Path("archive"))
	files := contents(t, l.Path("archive"))
	sealed, gaps := before.ByPack()
	if sealed[daily] < 2 || sealed[grouped] != 1 || sealed[spooled] != 1 || gaps[daily] < 1 || gaps[absent] != 1 || len(sealed)+len(gaps) != 5 {
		t.Fatalf("the fixture has %v sealed and %v gaps", sealed, gaps)
	}
	due := at(before, spooled)
	p := l.Start()
	p.Ready()
	p.Eventually(lab.Patience, func() string { return settled(l, due, retried, asked, spooled) })
	p.Eventually(lab.Patience, func() string {
		if left := queued(t, l); fmt.Sprint(left) != fmt.Sprint([]string{paused}) {
			return fmt.Sprintf("%v are in the queue", left)
		}
		return ""
	})
	if out, err := l.Run("queue", "resume", paused); err != nil {
		t.Fatal(out, err)
	}
	p.Eventually(lab.Patience, func() string { return settled(l, due, paused) })
	p.Eventually(lab.Patience, func() string { return shown(p, lab.ReadArchive(l.Path("archive"))) })
	if n, ok := p.Metric("packseal_verify_last_success_timestamp_seconds", ""); !ok || int64(n) != verified(t, l).Unix() {
		t.Errorf("the daemon shows a verification of %v, which was at %v", n, verified(t, l))
	}
	p.Stop()

	if out, err := l.Run("verify"); err != nil {
		t.Errorf("%s\n%v", out, err)
	}
	after := contents(t, l.Path("archive"))
	for name, content := range files {
		if after[name] != content {
			t.Errorf("%s has changed", name)
		}
	}
	lab.ReadArchive(l.Path("archive")).Check(t)
	lab.ReadArchive(l.Path("mirror")).Check(t)
	lab.CheckSpoolEmpty(t, l.Path("state"))
	once(t, l)
	notRepeated(t, people, before)
}

// at is the due time of a pack's slot.
func at(a lab.Archive, pack string) time.Time {
	for s := range a.Slots {
		if s.Pack == pack {
			return s.At()
		}
	}
	return time.Time{}
}

// settled returns "" once the slots of the packs are sealed in both sinks.
func settled(l *lab.Lab, due time.Time, packs ...string) string {
	for _, sink := range []string{"archive", "mirror"} {
		a := lab.ReadArchive(l.Path(sink))
		for _, pack := range packs {
			if a.Slots[lab.SlotAt(pack, due)].Sealed == nil {
				return fmt.Sprintf("the slot of %s is not sealed in %s", pack, sink)
			}
		}
	}
	return ""
}

// queued are the packs that have slots in the queue, and each must be paused.
func queued(t *testing.T, l *lab.Lab) (packs []string) {
	t.Helper()
	out, err := l.Run("queue", "--json")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		var listed struct{ Slot *struct{ Pack, State string } }
		if err := json.Unmarshal([]byte(line), &listed); err != nil {
			t.Fatal(err)
		}
		if s := listed.Slot; s != nil {
			if s.Pack == paused && s.State != "paused" {
				t.Fatalf("the pause is not in force: %s", line)
			}
			packs = append(packs, s.Pack)
		}
	}
	return packs
}

// shown returns "" once page and API show every slot of the archive.
func shown(p *lab.Process, a lab.Archive) string {
	packs, err := p.Packs()
	if err != nil {
		return err.Error()
	}
	sealed, gaps := a.ByPack()
	for _, pack := range packs {
		if pack.Sealed != sealed[pack.Pack] || pack.Gaps != gaps[pack.Pack] {
			return fmt.Sprintf("%s is shown with %d sealed and %d gaps, not %d and %d", pack.Pack, pack.Sealed, pack.Gaps, sealed[pack.Pack], gaps[pack.Pack])
		}
		slots, err := p.Slots(pack.Pack)
		if err != nil {
			return err.Error()
		}
		for s, got := range slots {
			want := a.Slots[s]
			if got.Gap != want.Gap || (got.Sealed == nil) != (want.Sealed == nil) || got.Sealed != nil && got.Sealed.SHA256 != want.Sealed.SHA256 {
				return fmt.Sprintf("%v is shown as %+v, and is %+v", s, got, want)
			}
		}
		if len(slots) != sealed[pack.Pack]+gaps[pack.Pack] {
			return fmt.Sprintf("%d slots of %s are shown", len(slots), pack.Pack)
		}
	}
	if len(packs) != 7 {
		return fmt.Sprintf("%d packs are shown", len(packs))
	}
	return ""
}

// verified is when the old program's verify has found nothing wrong.
func verified(t *testing.T, l *lab.Lab) time.Time {
	t.Helper()
	var last struct{ Success time.Time }
	raw, err := os.ReadFile(l.Path("state/verify.json"))
	if err == nil {
		err = json.Unmarshal(raw, &last)
	}
	if err != nil || last.Success.IsZero() {
		t.Fatalf("%s: %v", raw, err)
	}
	return last.Success
}

// once: no report was made twice, and none that was there already at all. A
// slot of a later year has a report of its own.
func once(t *testing.T, l *lab.Lab) {
	t.Helper()
	sealed, _ := lab.ReadArchive(l.Path("archive")).ByPack()
	want := map[string]int{retried: sealed[retried], paused: sealed[paused], spooled: sealed[spooled] - 1}
	got := make(map[string]int)
	for pack := range want {
		got[pack] = l.Made(pack)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reports made (-want +got):\n%s", diff)
	}
}

// notRepeated: no notice is sent of a gap that the old program has sent one of.
func notRepeated(t *testing.T, people *receiver, before lab.Archive) {
	t.Helper()
	for _, body := range people.received() {
		for s, e := range before.Slots {
			if e.Gap != "" && strings.Contains(body, s.Pack) && strings.Contains(body, s.At().Format(time.RFC3339)) {
				t.Errorf("a second notice of %v: %s", s, body)
			}
		}
	}
}

// contents are the files below a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		files[path] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
