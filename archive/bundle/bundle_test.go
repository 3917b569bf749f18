package bundle_test

import (
	"archive/zip"
	"bytes"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/archive/bundle"
	"packseal.example/archive/ledger/tree"
	"packseal.example/internal/evidence"
	"packseal.example/sink"
)

// modes of reports.
var (
	all  = audit.Reports{Mode: audit.AllReports}
	none = audit.Reports{Mode: audit.NoReports}
)

// slot is one of the tests: of a day, at the pack's hour.
func slot(pack string, day int) evidence.Slot {
	at := audittest.Moment(day, 2, 0)
	if pack == "cp-3" {
		at = audittest.Moment(day, 6, 30)
	}
	return evidence.Slot{Source: "prod", Pack: pack, Due: at}
}

// clean fails unless what was made, and the audit of it, have no finding.
func clean(t *testing.T, w *world, raw []byte, m bundle.Made) audit.Result {
	t.Helper()
	r := w.audit(raw)
	for _, f := range append(slices.Clone(m.Findings), r.Findings...) {
		t.Errorf("%s %s: %s", f.Word, f.Key, f.Sentence)
	}
	return r
}

// words returns those of findings, each once, in order.
func words(list []audit.Finding) string {
	var all []string
	for _, f := range list {
		all = append(all, string(f.Word))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// policed gives a ledger a policy on its first day, by which a report is perhaps pruned
// within the period of the tests.
func policed(prunes bool) func(*audittest.Ledger) {
	return func(l *audittest.Ledger) {
		plan := l.Each
		l.Each = func(l *audittest.Ledger, now time.Time) {
			plan(l, now)
			if now.Equal(audittest.Moment(1, 0, 0)) {
				l.Record(evidence.Policy{Keep: "1d", Since: now, Tool: audittest.Tool})
			}
			if !prunes || !now.Equal(audittest.Moment(6, 13, 0)) {
				return
			}
			for key, raw := range l.Reports {
				if strings.HasPrefix(key, slot("cp-1", 2).Dir()) {
					l.Log(tree.PrunedKey(key), raw)
				}
			}
		}
	}
}

func TestBundle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*audittest.Ledger)
		period  audit.Period
		reports audit.Reports
		want    int // reports
		counts  audit.Counts
		begin   bool // from the ledger's beginning
	}{
		"all":    {nil, audittest.March(5, 9), all, 12, audit.Counts{Expected: 12, Sealed: 12}, false},
		"none":   {nil, audittest.March(5, 9), none, 0, audit.Counts{Expected: 12, Sealed: 12}, false},
		"sample": {nil, audittest.March(5, 9), audit.Reports{Mode: audit.SampledReports, Sample: 5}, 5, audit.Counts{Expected: 12, Sealed: 12}, false},
		"packs": {nil, audit.Period{From: audittest.Moment(5, 0, 0), Until: audittest.Moment(9, 0, 0), Zone: "Asia/Shanghai", Packs: []string{"prod/cp-3"}},
			all, 4, audit.Counts{Expected: 4, Sealed: 4}, false},
		"first days": {nil, audittest.March(1, 3), all, 6, audit.Counts{Expected: 6, Sealed: 6}, true},
		"gaps": {func(l *audittest.Ledger) {
			l.Seal = func(l *audittest.Ledger, s evidence.Slot) {
				if s.Pack == "cp-2" {
					l.GapAt(s, s.Due.Add(time.Hour))
					return
				}
				l.SealAt(s, s.Due.Add(time.Minute))
			}
		}, audittest.March(5, 9), all, 8, audit.Counts{Expected: 12, Sealed: 8, Gap: 4}, false},
		"a policy":           {policed(false), audittest.March(5, 9), all, 12, audit.Counts{Expected: 12, Sealed: 12}, false},
		"an old policy":      {policed(true), audittest.March(5, 9), all, 12, audit.Counts{Expected: 12, Sealed: 12}, true},
		"never planned anew": {func(l *audittest.Ledger) { l.Each = nil }, audittest.March(5, 9), all, 12, audit.Counts{Expected: 12, Sealed: 12}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.change)
			raw, m := w.write(bundle.Options{Period: c.period, Reports: c.reports})
			r := clean(t, w, raw, m)
			if r.Reports != c.want || r.Statement.Counts != c.counts || m.Statement.Counts != c.counts {
				t.Errorf("%d reports, %+v, want %d, %+v", r.Reports, r.Statement.Counts, c.want, c.counts)
			}
			if edge := string(member(t, raw, audit.EdgeName)); (edge == "size 0\n") != c.begin {
				t.Errorf("it begins with %q", edge)
			}
			if got := member(t, raw, audit.StatementName); !bytes.Equal(got, m.Raw) {
				t.Errorf("the statement in it is another one:\n%s\n%s", got, m.Raw)
			}
		})
	}
}

// TestSameStatement: the statement alone is the one of the bundle, but for what it says
// of the bundle.
func TestSameStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, m := w.write(bundle.Options{Period: audittest.March(5, 9), Reports: all})
	s, err := w.source().Statement(t.Context(), audittest.March(5, 9))
	if err != nil {
		t.Fatal(err)
	}
	m.Statement.Reports = nil
	if raw, err := m.Statement.Encode(); err != nil || !bytes.Equal(raw, s.Raw) {
		t.Errorf("%v:\n%s\n%s", err, raw, s.Raw)
	}
}

// TestFaults: what is not in the sinks as it was logged is named, and left out.
func TestFaults(t *testing.T) {
	t.Parallel()
	manifest := func(w *world, s evidence.Slot) evidence.Manifest {
		m, err := evidence.DecodeManifest(w.Records[s.ManifestKey()], s)
		if err != nil {
			w.Fatal(err)
		}
		return m
	}
	other := func(w *world, s evidence.Slot) []byte {
		m := manifest(w, s)
		m.Name = "Another pack"
		raw, err := evidence.Encode(m)
		if err != nil {
			w.Fatal(err)
		}
		return raw
	}
	at := slot("cp-1", 6)
	for name, c := range map[string]struct {
		change  func(w *world)
		made    string // words of what was made
		audited string // words of the audit of it
	}{
		"manifest removed": {func(w *world) { w.alter(at.ManifestKey(), nil) }, "unarchived", "unarchived"},
		"manifest altered": {func(w *world) { w.alter(at.ManifestKey(), other(w, at)) }, "altered", "unarchived"},
		"report removed":   {func(w *world) { m := manifest(w, at); w.alter(m.ReportKey(), nil) }, "unarchived", "unarchived"},
		"report altered":   {func(w *world) { m := manifest(w, at); w.alter(m.ReportKey(), []byte("x")) }, "unarchived", "unarchived"},
		"token altered":    {func(w *world) { w.alter(tree.StampKey(24, "tsa"), []byte("x")) }, "token", ""},
		"token beside what was planted": {func(w *world) {
			key := tree.StampKey(24, "tsa")
			token, err := sink.ReadAll(w.Context(), w.sink, key, 1<<16)
			if err != nil {
				w.Fatal(err)
			}
			w.alter(key, []byte("x"))
			w.put(tree.Beside(key, token), token)
			w.put(tree.Beside(key, []byte("x")), []byte("y"))
		}, "token", ""},
		"token planted": {func(w *world) { w.put(tree.StampKey(900, "tsa"), []byte("x")) }, "", ""},
		"checkpoint of another tree": {func(w *world) {
			w.alter(tree.CheckpointKey(24), w.Checkpoints[23].Raw)
		}, "token", ""},
		"checkpoint of another key": {func(w *world) {
			thief, _ := audittest.NewKey(w.TB, audittest.Origin, 9)
			raw, err := w.Checkpoints[24].Head.Sign(thief)
			if err != nil {
				w.Fatal(err)
			}
			w.alter(tree.CheckpointKey(24), raw)
		}, "unsigned", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			c.change(w)
			raw, m := w.write(bundle.Options{Period: audittest.March(5, 9), Reports: all})
			if got := words(m.Findings); got != c.made {
				t.Errorf("made with %q: %v", got, m.Findings)
			}
			if got := words(w.audit(raw).Findings); got != c.audited {
				t.Errorf("audited with %q", got)
			}
		})
	}
}

// TestLeftOut: whoever takes a report out of a bundle is found, by the mode that its
// statement says.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for name, c := range map[string]struct {
		reports audit.Reports
		want    string
	}{
		"all": {all, "unarchived"}, "sample": {audit.Reports{Mode: audit.SampledReports, Sample: 3}, "unarchived"},
	} {
		raw, _ := w.write(bundle.Options{Period: audittest.March(5, 9), Reports: c.reports})
		took := false
		altered := rewrite(t, raw, func(name string, b []byte) []byte {
			if !took && strings.HasPrefix(name, audit.ReportsDir) {
				took = true
				return nil
			}
			return b
		})
		if got := words(w.audit(altered).Findings); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestOpen: a period that has not ended, and one of before the ledger.
func TestOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	raw, m := w.write(bundle.Options{Period: audittest.March(9, 20), Reports: none})
	if got := words(m.Findings); got != "open short" {
		t.Errorf("made with %q: %v", got, m.Findings)
	}
	if got := words(w.audit(raw).Findings); got != "open short" {
		t.Errorf("audited with %q", got)
	}
	before := audit.Period{From: audittest.Moment(1, 0, 0).AddDate(0, -1, 0), Until: audittest.Moment(2, 0, 0), Zone: "UTC"}
	raw, m = w.write(bundle.Options{Period: before, Reports: none})
	r := clean(t, w, raw, m)
	if !r.Statement.Began.Equal(audittest.Moment(1, 0, 0)) || r.Statement.Counts.Expected != 3 {
		t.Errorf("%+v", r.Statement)
	}
}

// member returns a file of a zip.
func member(t testing.TB, raw []byte, name string) (b []byte) {
	t.Helper()
	for n, content := range members(t, raw) {
		if n == name {
			b = content
		}
	}
	return b
}

// members yields the names and contents of a zip's files.
func members(t testing.TB, raw []byte) iter.Seq2[string, []byte] {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(string, []byte) bool) {
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(f.Name, b) {
				return
			}
		}
	}
}

// rewrite returns a zip with the files changed; nil removes one.
func rewrite(t testing.TB, raw []byte, change func(name string, b []byte) []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, b := range members(t, raw) {
		if b = change(name, b); b == nil {
			continue
		}
		o, err := w.Create(name)
		if err == nil {
			_, err = o.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
