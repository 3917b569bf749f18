package archive_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// noting is a sink that notes which reports are read, and gives bytes that are not theirs
// for those of the slots that a test names.
type noting struct {
	sink.Sink
	mu   sync.Mutex
	read []time.Time
	bad  map[time.Time]bool
}

func (s *noting) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	of, name, ok := evidence.ParseKey(key)
	if !ok || !strings.HasPrefix(name, "report-") {
		return s.Sink.Open(ctx, key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = append(s.read, of.Due)
	if s.bad[of.Due] {
		return io.NopCloser(strings.NewReader("altered")), nil
	}
	return s.Sink.Open(ctx, key)
}

// TestParts: part after part all reports are read, those that fell due first at first, in
// every sink; then the next round begins. What was found altered is read each time.
func TestParts(t *testing.T) {
	t.Parallel()
	sinks := []*noting{{Sink: sink.NewMemory()}, {Sink: sink.NewMemory(), bad: map[time.Time]bool{}}}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: sinks[0]}, archive.Target{Name: "b", Sink: sinks[1]})
	first := due().Add(-24 * time.Hour)
	at := func(i int) time.Time { return first.Add(time.Duration(i) * time.Hour) }
	report := strings.Repeat("rule,resource,result\n", 100)
	put := func(i int) {
		t.Helper()
		if _, err := h.Import(t.Context(), slot("cp-1", at(i)), strings.NewReader(report), evidence.Imported{At: first, By: "Li Wei", File: "r.csv"}, fetcher.Settings{}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 7 {
		put(i)
	}
	place, began := archive.Place{}, time.Now().Truncate(time.Second)
	run := func(share float64) string {
		t.Helper()
		raw, err := json.Marshal(place) // as after a restart
		place = archive.Place{}
		if err == nil {
			err = json.Unmarshal(raw, &place)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sinks {
			s.read = nil
		}
		result, err := h.Verify(t.Context(), archive.Selection{Part: &archive.Part{Share: share, Place: place}})
		if err != nil || result.Sealed != 2*7 && result.Sealed != 2*8 {
			t.Fatalf("%+v, %v", result, err)
		}
		place = result.Place
		text := ""
		for _, s := range sinks {
			slices.SortFunc(s.read, time.Time.Compare)
			part := ""
			for _, d := range s.read {
				part += fmt.Sprint(int(d.Sub(first).Hours()))
			}
			if text != "" && part != text {
				t.Errorf("in one sink %s are read, in the other %s", text, part)
			}
			text = part
		}
		for _, p := range result.Problems {
			text += " " + string(p.Kind) + " " + p.Sink
		}
		return text
	}
	for i, want := range []string{"012", "345", "6", "012"} {
		if got := run(0.4); got != want {
			t.Errorf("run %d: read %q, want %q", i, got, want)
		}
		if ended := !place.Since.IsZero(); ended != (i >= 2) || ended && place.Since.Before(began) {
			t.Errorf("run %d: every report was read since %s", i, place.Since)
		}
	}
	sinks[1].bad[at(4)] = true
	put(7)
	for i, want := range []string{"345 altered b", "467 altered b", "0124 altered b"} {
		if got := run(0.36); got != want {
			t.Errorf("with one that is bad, run %d: read %q, want %q", i, got, want)
		}
	}
	whole, err := h.Verify(t.Context(), archive.Selection{})
	if err != nil || len(whole.Problems) != 1 || whole.Place.Since.Before(began) {
		t.Errorf("all at once: %+v, %v", whole, err)
	}
	before := place
	place = whole.Place // what that found is read again, too
	if got := run(0.36); got != "0124 altered b" {
		t.Errorf("after all at once: read %q", got)
	}
	place = before
	sinks[1].bad = nil
	for i, want := range []string{"345", "67"} {
		if got := run(0.36); got != want {
			t.Errorf("with it good again, run %d: read %q, want %q", i, got, want)
		}
	}
	if got := run(1); got != "01234567" {
		t.Errorf("all at once: read %q", got)
	}
	empty := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	before = archive.Place{After: slot("cp-1", at(3)), Began: began}
	if result, err := empty.Verify(t.Context(), archive.Selection{Part: &archive.Part{Share: 0.1, Place: before}}); err != nil || result.Place.After != before.After {
		t.Errorf("of nothing: %+v, %v", result.Place, err)
	}
}

// TestReportsOfSome: reports are read in the sinks that are named, and records in all.
func TestReportsOfSome(t *testing.T) {
	t.Parallel()
	sinks := []*noting{{Sink: sink.NewMemory()}, {Sink: sink.NewMemory()}}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: sinks[0]}, archive.Target{Name: "b", Sink: sinks[1]})
	h.settle(t, due())
	for _, s := range sinks {
		s.read = nil
	}
	s := archive.Selection{Reports: []string{"b"}}
	if result, err := h.Verify(t.Context(), s); err != nil || len(sinks[0].read) != 0 || len(sinks[1].read) != 1 || result.Sealed != 2 || result.Skipped != 1 || s.Whole() {
		t.Errorf("%d and %d were read: %+v, %v", len(sinks[0].read), len(sinks[1].read), result, err)
	}
	if _, err := h.Verify(t.Context(), archive.Selection{Reports: []string{"c"}}); fault.Of(err) != fault.Request {
		t.Errorf("of a sink that is none: %v", err)
	}
}
