package archive_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// thiefs returns what a thief has for a slot, by name: a gap record, and a manifest with
// its report, as good as packseal's own.
func thiefs(t *testing.T, s evidence.Slot) map[string]string {
	t.Helper()
	other := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	if _, err := other.Import(t.Context(), s, strings.NewReader("rule,resource,result\n"+strings.Repeat("ecs-in-vpc,i-1,COMPLIANT\n", 9)), evidence.Imported{At: s.Due, By: "thief", File: "r.csv"}, fetcher.Settings{}); err != nil {
		t.Fatal(err)
	}
	raw, err := evidence.Encode(evidence.NewGap(s, fault.Paused, "by a thief", due(), "packseal/test"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{evidence.GapName: string(raw)}
	for key, b := range objects(t, other.sinks[0].Sink) {
		all[strings.TrimPrefix(key, s.Dir())] = b
	}
	return all
}

// plantFiles puts a thief's records of those names, and his report, into a slot's folder, as of that time.
func plantFiles(t *testing.T, dir string, s evidence.Slot, records []string, at time.Time) {
	t.Helper()
	for name, b := range thiefs(t, s) {
		if isRecord := name == evidence.GapName || name == evidence.ManifestName; isRecord && !slices.Contains(records, name) {
			continue
		}
		file := filepath.Join(dir, s.Dir(), name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, []byte(b), 0o644), os.Chtimes(file, time.Time{}, at)); err != nil {
			t.Fatal(err)
		}
	}
}

// unplant removes a record from a folder.
func unplant(t *testing.T, dir string, s evidence.Slot, records []string) {
	t.Helper()
	for _, name := range records {
		if err := os.Remove(filepath.Join(dir, s.Dir(), name)); err != nil {
			t.Fatal(err)
		}
	}
}

// kinds returns kinds and sinks of the problems with records.
func kinds(t *testing.T, a *archive.Archive) (found []string) {
	t.Helper()
	v, err := a.Verify(t.Context(), archive.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range v.Problems {
		if p.Kind != archive.Orphaned {
			found = append(found, string(p.Kind)+" "+p.Sink+" "+filepath.Base(p.Key))
		}
	}
	return found
}

// ours reports whether a folder has a manifest of the slot, and not the thief's.
func ours(dir string, s evidence.Slot) bool {
	raw, err := os.ReadFile(filepath.Join(dir, s.ManifestKey()))
	return err == nil && !strings.Contains(string(raw), "thief")
}

// TestPlanted: a record that was stored long before its slot fell due settles nothing: the
// slot is made, is in every other sink at once, and in that one when the record is gone.
// One of an hour before, or of a time that tells nothing, is another replica's.
func TestPlanted(t *testing.T) {
	t.Parallel()
	manifest, gap, both := []string{evidence.ManifestName}, []string{evidence.GapName}, []string{evidence.ManifestName, evidence.GapName}
	const early = -2 * time.Hour
	for name, c := range map[string]struct {
		in       string // the sinks that have it
		records  []string
		age      time.Duration // from when it fell due; 0 = a time that tells nothing
		made     string        // the sinks that have ours
		spooled  int
		problems []string
	}{
		"a manifest in the only sink":  {"c", manifest, early, "", 1, []string{"malformed c manifest.json"}},
		"a manifest in the first sink": {"a", manifest, early, "b", 1, []string{"malformed a manifest.json"}},
		"a manifest in a further sink": {"b", manifest, early, "a", 1, []string{"malformed b manifest.json"}},
		"a manifest in both sinks":     {"ab", manifest, early, "", 1, []string{"malformed a manifest.json", "malformed b manifest.json"}},
		"a gap in the only sink":       {"c", gap, early, "c", 0, []string{"malformed c gap.json"}},
		"a gap in the first sink":      {"a", gap, early, "ab", 0, []string{"malformed a gap.json"}},
		"a gap in a further sink":      {"b", gap, early, "ab", 0, []string{"malformed b gap.json"}},
		"everything in the first sink": {"a", both, early, "b", 1, []string{"malformed a gap.json", "malformed a manifest.json"}},
		"clocks that differ":           {"a", manifest, -50 * time.Minute, "", 0, nil},
		"of no time":                   {"a", manifest, 0, "", 0, nil},
		"a gap of a replica":           {"a", gap, time.Second, "", 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			dir := func(sink rune) string { return filepath.Join(root, string(sink)) }
			var sinks []archive.Target
			for _, s := range map[bool]string{true: "c", false: "ab"}[c.in == "c"] {
				sinks = append(sinks, folder(t, string(s), dir(s)))
			}
			h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, sinks...)
			s, at := slot("cp-1", due()), time.Unix(0, 0)
			if c.age != 0 {
				at = s.Due.Add(c.age)
			}
			for _, sink := range c.in {
				plantFiles(t, dir(sink), s, c.records, at)
			}
			var blocked error
			h.Blocked = func(_ evidence.Slot, err error, until time.Time) { blocked = err }
			planted := c.problems != nil
			if begun, err := h.Begun(t.Context(), s); err != nil || begun == planted {
				t.Errorf("begun: %t, %v", begun, err)
			}
			wait := h.Settle(t.Context(), task("cp-1", s.Due, time.Now().Add(time.Minute)))
			if all := planted && c.made == ""; wait > 0 || (blocked != nil) != all || all && (fault.Of(blocked) != fault.Conflict || !strings.Contains(blocked.Error(), "before the slot fell due") || !strings.Contains(fault.Hint(blocked), "#planted")) {
				t.Errorf("again in %s, blocked %v", wait, blocked)
			}
			for _, t1 := range sinks {
				if has := ours(dir(rune(t1.Name[0])), s); has != strings.Contains(c.made, t1.Name) {
					t.Errorf("sink %s has our manifest: %t", t1.Name, has)
				}
			}
			if n := h.spooled(t); n != c.spooled {
				t.Errorf("%d in the spool", n)
			}
			h = h.again(t)
			r, err := h.Record(t.Context(), catalog.Listed{Slot: s})
			if planted && c.made == "" && !errors.Is(err, sink.ErrNotExist) || planted && c.made != "" && (err != nil || r.Imported != "") {
				t.Errorf("the record is %+v, %v", r, err)
			}
			var listed []evidence.State
			for l, err := range h.List(t.Context(), "prod", "cp-1", time.Time{}, time.Time{}) {
				if listed = append(listed, l.State); err != nil {
					t.Fatal(err)
				}
			}
			if settled := !planted || c.made != ""; len(listed) == 1 != settled {
				t.Errorf("listed: %v", listed)
			}
			if got := kinds(t, h.Archive); !slices.Equal(got, c.problems) {
				t.Errorf("verify: %q, want %q", got, c.problems)
			}
			if !planted {
				return
			}
			for _, sink := range c.in {
				unplant(t, dir(sink), s, c.records)
			}
			drain(t, h)
			for _, s1 := range sinks {
				if !ours(dir(rune(s1.Name[0])), s) {
					t.Errorf("at last sink %s has no manifest of ours", s1.Name)
				}
			}
			if got := kinds(t, h.Archive); h.spooled(t) != 0 || len(got) > 0 {
				t.Errorf("at last: %q, %d in the spool", got, h.spooled(t))
			}
		})
	}
}

// TestPlantedGap: a slot that ends without a report is a gap in the sinks where nothing was
// planted in the gap record's place; where there is none, it stays owed.
func TestPlantedGap(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in     []string
		record string
		want   string // the sinks that have our gap record
	}{
		"a gap in the first sink":  {[]string{"a"}, evidence.GapName, "b"},
		"a gap in a further sink":  {[]string{"b"}, evidence.GapName, "a"},
		"a gap in both":            {[]string{"a", "b"}, evidence.GapName, ""},
		"a manifest in both sinks": {[]string{"a", "b"}, evidence.ManifestName, "ab"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			h := newRig(t, fetcher.Settings{}, nil, folder(t, "a", filepath.Join(root, "a")), folder(t, "b", filepath.Join(root, "b")))
			l := openLedger(t, h.sinks)
			h.Ledger = l
			s := slot("cp-1", due())
			for _, name := range c.in {
				plantFiles(t, filepath.Join(root, name), s, []string{c.record}, s.Due.Add(-2*time.Hour))
			}
			var told error
			h.Blocked = func(_ evidence.Slot, err error, until time.Time) { told = err }
			wait := h.Settle(t.Context(), task("cp-1", s.Due, time.Now().Add(time.Minute))) // there is no such pack
			if none := c.want == ""; wait > 0 || fault.Of(told) == fault.Conflict != none {
				t.Errorf("again in %s, blocked: %v", wait, told)
			}
			has := ""
			for _, name := range []string{"a", "b"} {
				if raw, err := os.ReadFile(filepath.Join(root, name, s.GapKey())); err == nil && !strings.Contains(string(raw), "thief") {
					has += name
				}
			}
			if has != c.want {
				t.Errorf("our gap record is in %q, want %q", has, c.want)
			}
			drain(t, h) // copies nothing
			if err := l.Commit(t.Context()); err != nil || l.Status().Owed != 0 || (l.Status().Checkpoint.Size > 0) != (c.want != "") {
				t.Errorf("the ledger is %+v, %v", l.Status(), err)
			}
		})
	}
}

// TestPlantedStaysThere: neither repair nor restore passes on what was planted, but what
// another sink has of the slot; no import is held up by it.
func TestPlantedStaysThere(t *testing.T) {
	t.Parallel()
	for _, withLedger := range []bool{false, true} {
		root := t.TempDir()
		dir := func(name string) string { return filepath.Join(root, name) }
		h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, folder(t, "a", dir("a")), folder(t, "b", dir("b")), folder(t, "c", dir("c")))
		s, empty := slot("cp-1", due().Add(-2*time.Minute)), slot("cp-1", due().Add(-time.Minute))
		want := []string{"malformed a gap.json", "malformed a manifest.json", "malformed a gap.json", "malformed a manifest.json"}
		commit := func() {}
		if withLedger {
			l := openLedger(t, h.sinks)
			h.Ledger, h.Entries = l, l.Entries
			commit = func() {
				t.Helper()
				if err := l.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			want = []string{"unlogged a gap.json", "malformed a manifest.json", "unlogged a gap.json", "unlogged a manifest.json"}
		}
		for _, s := range []evidence.Slot{s, empty} {
			plantFiles(t, dir("a"), s, []string{evidence.ManifestName, evidence.GapName}, s.Due.Add(-2*time.Hour))
		}
		report := strings.NewReader("rule,resource,result\n" + strings.Repeat("ecs-in-vpc,i-1,COMPLIANT\n", 100))
		if r, err := h.Import(t.Context(), s, report, evidence.Imported{At: s.Due, By: "Li Wei", File: "r.csv"}, fetcher.Settings{}); fault.Of(err) != fault.Conflict || r.State != evidence.Sealed {
			t.Fatalf("import: %+v, %v", r, err)
		}
		commit()
		unplant(t, dir("c"), s, []string{evidence.ManifestName})
		v, err := h.Verify(t.Context(), archive.Selection{})
		if err == nil {
			err = h.Repair(t.Context(), &v, archive.Repair{})
		}
		if err != nil || v.Repaired != 2 || !ours(dir("c"), s) || ours(dir("a"), s) {
			t.Errorf("repaired: %d, %v", v.Repaired, err)
		}
		if got := kinds(t, h.Archive); !slices.Equal(got, want) {
			t.Errorf("verify: %q, want %q", got, want)
		}
		r, err := h.Restore(t.Context(), archive.Restore{To: folder(t, "to", dir("to")), Entries: h.Entries})
		if err != nil || r.Sealed != 1 || r.Gaps != 0 || !ours(dir("to"), s) || len(r.Problems) != len(want) {
			t.Errorf("restored: %+v, %v", r, err)
		}
		for key := range files(t, dir("to")) {
			if !strings.HasPrefix(key, s.Dir()) || strings.HasSuffix(key, evidence.GapName) {
				t.Errorf("it has %s", key)
			}
		}
	}
}

// shy is a sink that lists nothing until something is put into it.
type shy struct {
	sink.Sink
	put bool
}

func (s *shy) Put(ctx context.Context, key string, c sink.Content) error {
	s.put = true
	return s.Sink.Put(ctx, key, c)
}

func (s *shy) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	if s.put {
		return s.Sink.List(ctx, prefix, after)
	}
	return func(yield func(sink.Entry, error) bool) {
		yield(sink.Entry{}, fault.New(fault.SinkUnavailable, "not yet"))
	}
}

// TestPlantedUnlisted: what was planted where nothing could be listed at first is not
// adopted, and no sink gets a record of which the ledger has dropped the entry.
func TestPlantedUnlisted(t *testing.T) {
	t.Parallel()
	for _, ends := range []string{evidence.ManifestName, evidence.GapName} {
		root := t.TempDir()
		a, b := folder(t, "a", filepath.Join(root, "a")), folder(t, "b", filepath.Join(root, "b"))
		h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: &shy{Sink: a.Sink}}, b)
		l := openLedger(t, h.sinks)
		h.Ledger = l
		s := slot("cp-1", due())
		plantFiles(t, filepath.Join(root, "a"), s, []string{ends}, s.Due.Add(-2*time.Hour))
		want := fault.Reason("")
		var err error
		if ends == evidence.ManifestName {
			_, err = h.Seal(t.Context(), s, time.Now().Add(time.Minute))
			want = fault.Conflict
		} else {
			err = h.Gap(t.Context(), s, fault.Missed, "")
		}
		if fault.Of(err) != want {
			t.Errorf("%s: %v", ends, err)
		}
		if want != "" {
			if got := objects(t, b.Sink); len(got) > 0 {
				t.Errorf("the other sink has %q", slices.Collect(maps.Keys(got)))
			}
			h.settle(t, s.Due)
		}
		if err := l.Commit(t.Context()); err != nil || l.Status().Checkpoint.Size != 1 {
			t.Errorf("the ledger is %+v, %v", l.Status(), err)
		}
		if _, err := b.Open(t.Context(), s.Dir()+ends); err != nil {
			t.Error(err)
		}
	}
}

// TestPlantedAndDeleted: a record that was planted and deleted again was never the slot's:
// the slot is made.
func TestPlantedAndDeleted(t *testing.T) {
	t.Parallel()
	at := due()
	for _, stored := range []time.Time{at.Add(-2 * time.Hour), at.Add(time.Second), {}} {
		store := &shortLived{slot("cp-1", at).ManifestKey(), stored, sink.NewMemory()}
		h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: store})
		want, problems := fault.Reason(""), []string(nil)
		if !slot("cp-1", at).Planted(stored) {
			want, problems = fault.Deleted, []string{"deleted a manifest.json"}
		}
		if _, err := h.Seal(t.Context(), slot("cp-1", at), time.Now().Add(time.Minute)); fault.Of(err) != want {
			t.Errorf("stored %s: %v", stored, err)
		}
		if got := kinds(t, h.Archive); !slices.Equal(got, problems) {
			t.Errorf("stored %s: %q", stored, got)
		}
		if _, _, err := h.Read(t.Context(), slot("cp-1", at)); fault.Of(err) != want {
			t.Errorf("reading: %v", err)
		}
	}
}

// shortLived is a sink that keeps a version of an object that was deleted.
type shortLived struct {
	key    string
	stored time.Time
	sink.Sink
}

func (s *shortLived) Deletions(_ context.Context, prefix string) ([]sink.Deletion, error) {
	if _, err := s.Open(context.Background(), s.key); err == nil || !strings.HasPrefix(s.key, prefix) {
		return nil, nil
	}
	return []sink.Deletion{{Key: s.key, At: time.Now(), Version: "v1", Size: 7, Stored: s.stored}}, nil
}
