package upgrade

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// The packs, by what the old program has left of them.
const (
	daily   = "cp-daily"           // sealed slots, and gaps of slots that were missed
	grouped = "ca-group/cp-member" // a sealed slot of a pack of an account group
	absent  = "cp-absent"          // a gap: the source has no such pack
	spooled = "cp-spooled"         // a slot that the mirror, which was down, lacks
	retried = "cp-retried"         // a slot in the queue that was tried and has failed
	asked   = "cp-asked"           // a slot whose report was asked for, and was being made
	paused  = "cp-paused"          // a slot in the queue that was not begun
)

// old is the program of the commit that the fixture is of.
var old = flag.String("old", "", "make the fixture anew with this program; see make-fixture")

// sinks are those of the fixture.
const sinks = "[{name: primary, local: {dir: archive}}, {name: mirror, local: {dir: mirror}}]"

// patient has slots of any age be worked on, whenever the test runs.
const patient = `schedule: "0 0 1 1 *", catch_up: 8784h, timeout: 876000h`

// in are settings of a pack whose first slot falls due so long from now. It has
// one each year.
func in(d time.Duration) string {
	now := time.Now().UTC()
	return now.Add(d).Format(`, schedule: "5 4 15 2 1 *"`) + now.Format(", since: 2006-01-02T15:04:05Z")
}

// packs are IDs with more settings after them, as a configuration has them.
func packs(ids ...string) (mappings []string) {
	for _, id := range ids {
		mappings = append(mappings, "{id: "+id+"}")
	}
	return mappings
}

// receiver is a webhook that keeps the bodies it is sent.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies = append(r.bodies, string(body))
	}))
	t.Cleanup(r.Close)
	return r
}

// received are the bodies so far.
func (r *receiver) received() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.bodies...)
}

// notices is the configuration of a channel that leads to the webhook.
const notices = "notify: [{name: people, webhook: {url_file: webhook-url}, group: 1ms, digest: '@yearly'}]"

// maker runs the old program in a lab.
type maker struct {
	*lab.Lab
	t      *testing.T
	people *receiver
	setup  lab.Setup
}

// TestMakeFixture runs the old program until it has left something of every
// kind, kills it and packs up what is left. It runs when -old is given.
func TestMakeFixture(t *testing.T) {
	if *old == "" {
		t.Skip("it is made by make-fixture")
	}
	m := &maker{t: t, people: newReceiver(t), setup: lab.Setup{Defaults: patient, Sinks: sinks, More: notices}}
	m.Lab = lab.New(t,
		sim.Pack{ID: daily}, sim.Pack{ID: "cp-member", Aggregator: "ca-group"}, sim.Pack{ID: spooled},
		sim.Pack{ID: retried, Script: sim.Script{Failures: []sim.Failure{{Code: "ServiceUnavailable", Status: 503, Times: 1000}}}},
		sim.Pack{ID: asked, Script: sim.Script{Make: time.Hour}}, sim.Pack{ID: paused})
	m.Write("webhook-url", m.people.URL)
	for _, dir := range []string{"archive", "mirror"} {
		if err := os.Mkdir(m.Path(dir), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	soon := in(3 * time.Second)
	known := []string{"cp-member, aggregator: ca-group" + soon, absent + soon}
	m.setup.Packs = packs(append(known, daily+`, schedule: "*/3 * * * * *", catch_up: 0s`)...)
	m.records()
	m.setup.Packs = packs(append(known, daily)...)
	m.verified()
	soon = in(8 * time.Second)
	m.setup.Packs = packs(append(known, daily, spooled+soon, retried+soon, asked+soon, paused+soon)...)
	m.killed()
	pack(t, m.Dir)
}

// run starts the old program.
func (m *maker) run() *lab.Process {
	m.Configure(m.setup)
	return lab.Start(m.t, *old, "run", "--config", m.Path("packseal.yaml"))
}

// verb runs a verb of the old program.
func (m *maker) verb(args ...string) (out string) {
	m.t.Helper()
	out, err := lab.Command(m.t, *old, append(args, "--config", m.Path("packseal.yaml"))...)
	if err != nil {
		m.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// records has it run twice, until there are sealed slots and gaps of both kinds:
// the slots between the two runs are missed.
func (m *maker) records() {
	for range 2 {
		p := m.run()
		from := lab.ReadArchive(m.Path("archive")).Sealed()
		p.Eventually(lab.Patience, func() string {
			a := lab.ReadArchive(m.Path("archive"))
			if len(a.Slots) < 4 || a.Sealed() < from+2 || len(m.people.received()) == 0 {
				return fmt.Sprint(a.Slots, m.people.received())
			}
			return ""
		})
		p.Stop()
		time.Sleep(10 * time.Second)
	}
}

// verified has it finish what the last run had begun, and verify.
func (m *maker) verified() {
	p := m.run()
	p.Ready()
	p.Eventually(lab.Patience, func() string {
		if left := lab.Spooled(m.Path("state")); len(left) > 0 {
			return fmt.Sprint(left)
		}
		return ""
	})
	p.Stop()
	m.verb("verify")
}

// killed has it run with a pack that is paused and a mirror that is down, until
// there is a slot at each step, and kills it. The mirror is up again then.
func (m *maker) killed() {
	p := m.run()
	p.Ready()
	m.verb("queue", "pause", paused, "--why", "the pack is being changed")
	if err := os.Rename(m.Path("mirror"), m.Path("mirror.away")); err != nil {
		m.t.Fatal(err)
	}
	p.Eventually(lab.Patience, func() string {
		listed, spool := m.verb("queue", "--json"), lab.Spooled(m.Path("state"))
		for slot, end := range lab.ReadArchive(m.Path("archive")).Slots {
			if slot.Pack == spooled && end.Sealed != nil && spool["asked"] == 1 &&
				strings.Count(listed, `"slot":`) >= 3 && strings.Contains(listed, `"retrying"`) && strings.Contains(listed, `"paused":1`) {
				return ""
			}
		}
		return fmt.Sprint(listed, spool)
	})
	p.Kill()
	if err := os.Rename(m.Path("mirror.away"), m.Path("mirror")); err != nil {
		m.t.Fatal(err)
	}
}

// fixture is the file.
const fixture = "testdata/a88c40e.tar.gz"

// pack writes the fixture: all of a folder but sockets.
func pack(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(fixture)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir || d.Type()&fs.ModeSocket != 0 {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		h, err := tar.FileInfoHeader(fi, "")
		if err != nil {
			return err
		}
		if h.Name, err = filepath.Rel(dir, path); err != nil {
			return err
		}
		h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
		if err := w.WriteHeader(h); err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	})
	if err := errors.Join(err, w.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// unpack writes a copy of the fixture into a folder.
func unpack(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(fixture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path, mode := filepath.Join(dir, h.Name), h.FileInfo().Mode()
		if mode.IsDir() {
			err = os.MkdirAll(path, 0o750)
		} else if b, rerr := io.ReadAll(r); rerr != nil {
			err = rerr
		} else {
			err = os.WriteFile(path, b, mode.Perm())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
