package archive_test

import (
	"cmp"
	"context"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// ailing is a sink that is down for as long as a test says.
type ailing struct {
	sink.Sink
	down bool
}

func (s *ailing) err() error {
	if s.down {
		return fault.New(fault.SinkUnavailable, "down")
	}
	return nil
}

func (s *ailing) Put(ctx context.Context, key string, c sink.Content) error {
	return cmp.Or(s.err(), s.Sink.Put(ctx, key, c))
}

func (s *ailing) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := s.err(); err != nil {
		return nil, err
	}
	return s.Sink.Open(ctx, key)
}

func (s *ailing) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	if err := s.err(); err != nil {
		return func(yield func(sink.Entry, error) bool) { yield(sink.Entry{}, err) }
	}
	return s.Sink.List(ctx, prefix, after)
}

// threeSinks is a rig with the sinks a, b and c, whose packs the sinks named keep.
func threeSinks(t *testing.T, keep *[]string) (h *rig, sinks [3]*ailing) {
	t.Helper()
	var targets []archive.Target
	for i, name := range []string{"a", "b", "c"} {
		sinks[i] = &ailing{Sink: sink.NewMemory()}
		targets = append(targets, archive.Target{Name: name, Sink: sinks[i]})
	}
	h = newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, targets...)
	h.Options.Keep = func(context.Context, evidence.PackRef) []string { return *keep }
	return h.again(t), sinks
}

// holding returns which sinks hold a record of that name of a slot, as "ac".
func holding(t *testing.T, h *rig, s evidence.Slot, name string) (names string) {
	t.Helper()
	for _, target := range h.sinks {
		for e, err := range target.List(t.Context(), s.Dir(), "") {
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(e.Key, name) {
				names += target.Name
			}
		}
	}
	return names
}

// drain lets the rig drain its spool, for one round.
func drain(t *testing.T, h *rig) {
	t.Helper()
	synctest.Test(t, h.drained)
}

// TestKeep: a report and a gap record are in the sinks that are to keep them, and what
// the configuration says later neither makes one missing that was not asked for, nor
// hides one that was.
func TestKeep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keep, then []string // at first, and later
		removed    string   // of the sinks that have the manifest, those that lose it
		has        string   // the sinks that have it after that
		again      string   // the same, after the slot was settled once more
		missing    string   // what verify then says is not mirrored
	}{
		"all":                           {nil, nil, "", "abc", "abc", ""},
		"some":                          {[]string{"a", "b"}, []string{"a", "b"}, "", "ab", "ab", ""},
		"the first":                     {[]string{"a"}, []string{"a"}, "", "a", "a", ""},
		"more later":                    {[]string{"a"}, nil, "", "a", "abc", ""},
		"fewer later":                   {nil, []string{"a"}, "", "abc", "abc", ""},
		"others later":                  {[]string{"a", "b"}, []string{"a", "c"}, "", "ab", "abc", ""},
		"one lost":                      {[]string{"a", "b"}, []string{"a", "b"}, "b", "a", "ab", "b"},
		"one lost of all":               {nil, nil, "c", "ab", "abc", "c"},
		"one lost, fewer later":         {[]string{"a", "b"}, []string{"a"}, "b", "a", "ab", "b"},
		"one lost of all, fewer later":  {nil, []string{"a"}, "bc", "a", "abc", "bc"},
		"one lost, more later":          {[]string{"a", "b"}, nil, "b", "a", "abc", "b"},
		"one lost, a name that is gone": {[]string{"a", "b", "old"}, []string{"a"}, "b", "a", "ab", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keep := c.keep
			h, sinks := threeSinks(t, &keep)
			s := slot("cp-1", due())
			if _, err := h.Seal(t.Context(), s, time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			m, _, err := h.Manifest(t.Context(), s)
			if d := diff.Diff(c.keep, m.Sinks); err != nil || d != "" || (m.Schema == evidence.ManifestSchema) != (c.keep == nil) {
				t.Errorf("the manifest has schema %s, %v: %s", m.Schema, err, d)
			}
			if c.removed != "" {
				for i, target := range h.sinks {
					if strings.Contains(c.removed, target.Name) {
						sinks[i].Sink = sink.NewMemory()
					}
				}
			}
			keep = c.then
			if got := holding(t, h, s, evidence.ManifestName); got != c.has {
				t.Errorf("it is in %s, want %s", got, c.has)
			}
			result, err := h.Verify(t.Context(), archive.Selection{})
			missing := ""
			for _, p := range result.Problems {
				if missing += p.Sink; p.Kind != archive.Unmirrored {
					t.Errorf("%+v", p)
				}
			}
			if err != nil || missing != c.missing {
				t.Errorf("not mirrored: %q, %v, want %q", missing, err, c.missing)
			}
			if _, err := h.Seal(t.Context(), s, time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if got := holding(t, h, s, evidence.ManifestName); got != c.again {
				t.Errorf("settled once more it is in %s, want %s", got, c.again)
			}
			if result, err = h.Verify(t.Context(), archive.Selection{}); err != nil || len(result.Problems) > 0 {
				t.Errorf("then: %+v, %v", result.Problems, err)
			}
		})
	}
}

// TestKeepGaps: a gap record is in the sinks that keep the pack's reports, and is copied
// to no other.
func TestKeepGaps(t *testing.T) {
	t.Parallel()
	keep := []string{"a", "b"}
	h, sinks := threeSinks(t, &keep)
	s := slot("cp-1", due())
	sinks[1].down = true
	if err := h.Gap(t.Context(), s, fault.Missed, ""); err != nil {
		t.Fatal(err)
	}
	sinks[1].down = false
	drain(t, h)
	if got := holding(t, h, s, evidence.GapName); got != "ab" {
		t.Errorf("the gap is in %s", got)
	}
	for range h.List(t.Context(), "prod", "cp-1", time.Time{}, time.Time{}) { // which notes gaps that a sink lacks
	}
	drain(t, h)
	if got := holding(t, h, s, evidence.GapName); got != "ab" {
		t.Errorf("after a listing the gap is in %s", got)
	}
	keep = nil
	for range h.List(t.Context(), "prod", "cp-1", time.Time{}, time.Time{}) {
	}
	drain(t, h)
	if got := holding(t, h, s, evidence.GapName); got != "abc" {
		t.Errorf("when all keep it, the gap is in %s", got)
	}
	if result, err := h.Verify(t.Context(), archive.Selection{}); err != nil || len(result.Problems) > 0 {
		t.Errorf("%+v, %v", result.Problems, err)
	}
}

// TestKeepWhileDown: a report waits for the sinks that were to keep it, also when they
// are not to keep the next one; and what a sink does not have that keeps nothing of a
// pack says nothing about the pack's slots.
func TestKeepWhileDown(t *testing.T) {
	t.Parallel()
	keep := []string{"a", "b"}
	h, sinks := threeSinks(t, &keep)
	s := slot("cp-1", due())
	sinks[1].down = true
	if r, err := h.Seal(t.Context(), s, time.Now().Add(time.Minute)); err == nil || r.State != evidence.Sealed {
		t.Fatalf("%+v, %v", r, err)
	}
	keep = []string{"a"}
	sinks[1].down = false
	h = h.again(t)
	drain(t, h)
	if got := holding(t, h, s, evidence.ManifestName); got != "ab" || h.spooled(t) != 0 {
		t.Errorf("it is in %s, %d in the spool", got, h.spooled(t))
	}
	sinks[0].down = true
	next := slot("cp-1", s.Due.Add(time.Second))
	if err := h.Gap(t.Context(), next, fault.Missed, ""); fault.Of(err) != fault.SinkUnavailable {
		t.Errorf("a gap although the sink that decides can't be asked: %v", err)
	}
	if _, _, err := h.Read(t.Context(), s); err != nil {
		t.Errorf("another sink has it: %v", err)
	}
}

// TestKeepCopies: of a sink alone, or of a copy of one, nothing is missing that the sink
// was not to keep by the plan in force then; what it was to keep is.
func TestKeepCopies(t *testing.T) {
	t.Parallel()
	memory := sink.NewMemory()
	now := time.Now().UTC().Truncate(time.Hour)
	hourly := func(pack string, sinks ...string) evidence.PlannedPack {
		return evidence.PlannedPack{Source: "prod", Pack: pack, Schedule: "@every 1h", Sinks: sinks, Zone: "UTC"}
	}
	target := archive.Target{Name: "b", Sink: memory}
	planned(t, now.Add(-50*time.Hour), []evidence.PlannedPack{hourly("cp-1", "a", "b"), hourly("cp-2", "a"), hourly("cp-3")}, target)
	planned(t, now.Add(-40*time.Hour), []evidence.PlannedPack{hourly("cp-1", "a"), hourly("cp-2", "a", "b"), hourly("cp-3", "a", "c")}, target)
	planned(t, now.Add(-30*time.Hour), nil, target)
	for name, want := range map[string]struct {
		absent    map[string]int
		elsewhere int
	}{
		"a":   {map[string]int{"cp-1": 20, "cp-2": 20, "cp-3": 20}, 0},
		"b":   {map[string]int{"cp-1": 10, "cp-2": 10, "cp-3": 10}, 30},
		"c":   {map[string]int{"cp-3": 20}, 40},
		"dir": {map[string]int{"cp-3": 10}, 50}, // whose copy it is, is not known
	} {
		h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: name, Sink: memory})
		result, err := h.Verify(t.Context(), archive.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		absent := make(map[string]int)
		for _, p := range result.Problems {
			s, _, _ := evidence.ParseKey(p.Key)
			if absent[s.Pack]++; p.Kind != archive.Absent {
				t.Errorf("%+v", p)
			}
		}
		if d := diff.Diff(want.absent, absent); d != "" || result.Elsewhere != want.elsewhere {
			t.Errorf("%s, in sorted packs %v: %d elsewhere, %s", name, slices.Sorted(maps.Keys(absent)), result.Elsewhere, d)
		}
	}
}
