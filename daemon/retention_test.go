package daemon

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/test/lab"
)

// aged is an archive with a ledger and reports of a pack that is not configured any
// more, by days since they fell due.
type aged struct {
	path string
	cfg  *config.Config
	*archive.Archive
}

// options are for opening it.
var options = ArchiveOptions{Tool: "packseal/test", Logger: slog.New(slog.DiscardHandler)}

func newAged(t *testing.T, setup lab.Setup, retention string, days ...int) *aged {
	t.Helper()
	setup.Dir = t.TempDir()
	setup.More = withLedger(t, setup.Dir, ledgerOrigin) + "retention: " + retention + "\n"
	a := &aged{path: setup.Write(t)}
	var err error
	if a.cfg, _, err = config.Load(a.path); err != nil {
		t.Fatal(err)
	}
	if a.Archive, err = OpenArchive(t.Context(), a.cfg, options); err != nil {
		t.Fatal(err)
	}
	a.imports(t, days...)
	return a
}

func (a *aged) slot(days int) evidence.Slot {
	return evidence.Slot{Source: "prod", Pack: "cp-old", Due: time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -days)}
}

func (a *aged) imports(t *testing.T, days ...int) {
	t.Helper()
	for _, n := range days {
		s := a.slot(n)
		report := strings.NewReader(strings.Repeat("Resource,Result\n"+s.String()+",ok\n", 100))
		if _, err := a.Import(t.Context(), s, report, evidence.Imported{At: time.Now().UTC(), By: "test", File: "r.csv"}, fetcher.Settings{}); err != nil {
			t.Fatal(err)
		}
	}
}

// has reports whether the report of a day is there. That it was pruned is not an
// error.
func (a *aged) has(t *testing.T, days int) bool {
	t.Helper()
	err := a.Export(t.Context(), a.slot(days), new(strings.Builder))
	if err != nil && !errors.Is(err, archive.ErrPruned) {
		t.Fatal(err)
	}
	return err == nil
}

// TestPrunesOnSchedule: the daemon logs the policy and removes what falls out of the
// retention, and no more than that; whoever reads the archive then knows why.
func TestPrunesOnSchedule(t *testing.T) {
	t.Parallel()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack})
	a := newAged(t, lab.Setup{Endpoint: endpoint}, `{keep: 30d, schedule: "@every 1s"}`, 35, 34)
	p, err := OpenPruner(t.Context(), a.cfg, options)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Prune(t.Context(), 1); err != nil || r.Removed != 1 {
		t.Fatal(r, err)
	}
	a.imports(t, 33)
	var log lab.Buffer
	d := start(t, a.path, &log)
	lab.Eventually(t, "34 is pruned", func() bool { return strings.Contains(log.String(), `"msg":"reports pruned","reports":1,`) })
	a.imports(t, 300)
	lab.Eventually(t, "300 is not explained", func() bool { return strings.Contains(log.String(), `"msg":"reports not pruned"`) })
	d.stop()
	read := options
	read.ReadOnly = true
	if a.Archive, err = OpenArchive(t.Context(), a.cfg, read); err != nil {
		t.Fatal(err)
	}
	for days, want := range map[int]bool{35: false, 34: false, 33: true, 300: true} {
		r, _, err := a.Read(t.Context(), a.slot(days))
		if got := a.has(t, days); err != nil || got != want || r.Pruned == want {
			t.Errorf("the report of %d days ago is there: %t, %v, %+v", days, got, err, r)
		}
	}
	if r, err := a.Verify(t.Context(), archive.Selection{}); err != nil || r.Pruned != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestMarked: the page and the verbs are told which reports were pruned.
func TestMarked(t *testing.T) {
	t.Parallel()
	a := newAged(t, lab.Setup{}, "{keep: 30d}", 35, 34)
	p, err := OpenPruner(t.Context(), a.cfg, options)
	if err != nil {
		t.Fatal(err)
	}
	records := func(yield func(evidence.Record, error) bool) {
		for _, days := range []int{34, 35} {
			r, err := a.Record(t.Context(), catalog.Listed{Slot: a.slot(days), State: evidence.Sealed})
			r.Pruned = false // the catalog does not know it
			if !yield(r, err) {
				return
			}
		}
	}
	s := &services{}
	s.runtime.Store(&runtime{components: &components{archive: a.Archive}})
	marked := func() (n int) {
		for r, err := range s.marked(t.Context(), records) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Pruned {
				n++
			}
		}
		return n
	}
	if n := marked(); n != 0 {
		t.Errorf("%d are pruned before", n)
	}
	if _, err := p.Prune(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	again, err := OpenArchive(t.Context(), a.cfg, options)
	if err != nil {
		t.Fatal(err)
	}
	s.runtime.Store(&runtime{components: &components{archive: again}})
	if n := marked(); n != 1 {
		t.Errorf("%d are pruned", n)
	}
}

// TestNoPruner: without retention there is nothing that could remove reports.
func TestNoPruner(t *testing.T) {
	t.Parallel()
	cfg, _, err := config.Load(lab.Setup{Dir: t.TempDir()}.Write(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPruner(t.Context(), cfg, options); fault.Of(err) != fault.Request || fault.Hint(err) == "" {
		t.Errorf("got %v", err)
	}
}
