package notify

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var base = time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)

// event is of pack p, due so many hours after base and recorded a minute
// later.
func event(k Kind, p string, hours int) Event {
	due := base.Add(time.Duration(hours) * time.Hour)
	return Event{Kind: k, Source: "prod", Pack: p, Due: due, At: due.Add(time.Minute), Reason: "missed"}
}

// at sets when an event was recorded.
func (e Event) at(hours float64) Event {
	e.At = base.Add(time.Duration(hours * float64(time.Hour)))
	return e
}

// TestTold goes through events and holds which of them are news.
func TestTold(t *testing.T) {
	t.Parallel()
	findings := func(n int) Event { return Event{Kind: Findings, Counts: map[string]int{"altered": n}} }
	type step struct {
		event Event
		news  bool
	}
	for name, steps := range map[string][]step{
		"a gap is told once":         {{event(Gap, "a", 0), true}, {event(Gap, "a", 0), false}, {event(Gap, "a", 1), true}, {event(Gap, "b", 0), true}},
		"before the first start":     {{event(Gap, "a", -9), false}, {event(Gap, "a", -9).at(0.1), true}},
		"recorded in another order":  {{event(Gap, "a", 2).at(2.2), true}, {event(Gap, "a", 1).at(2.1), true}, {event(Gap, "a", 1).at(2.1), false}, {event(Gap, "a", 2).at(2.2), false}},
		"long told":                  {{event(Gap, "a", 0), true}, {event(Gap, "a", 24), true}, {event(Gap, "a", 0), false}, {event(Gap, "a", 1), false}},
		"recovered once":             {{event(Recovered, "a", 0), false}, {event(Gap, "a", 1), true}, {event(Recovered, "a", 2), true}, {event(Recovered, "a", 3), false}},
		"an earlier slot is sealed":  {{event(Gap, "a", 1), true}, {event(Recovered, "a", 0), false}, {event(Recovered, "a", 2), true}},
		"of another pack":            {{event(Gap, "a", 1), true}, {event(Recovered, "b", 2), false}},
		"overdue once":               {{event(Overdue, "a", 0), true}, {event(Overdue, "a", 0), false}, {event(Overdue, "a", 1), false}, {event(Recovered, "a", 0), true}, {event(Overdue, "a", 2), true}},
		"overdue, then a gap":        {{event(Overdue, "a", 0), true}, {event(Gap, "a", 0), true}, {event(Overdue, "a", 0), false}, {event(Overdue, "a", 1), true}, {event(Recovered, "a", 1), true}, {event(Recovered, "a", 1), false}},
		"an old gap is no new worry": {{event(Gap, "a", 4), true}, {event(Recovered, "a", 5), true}, {event(Gap, "a", 3).at(5), true}, {event(Recovered, "a", 6), false}},
		"findings that change":       {{Event{Kind: Findings}, false}, {findings(1), true}, {findings(1), false}, {findings(2), true}, {Event{Kind: Findings}, true}, {Event{Kind: Findings}, false}},
		"every refused reload":       {{Event{Kind: ReloadFailed}, true}, {Event{Kind: ReloadFailed}, true}},
	} {
		known := told{Since: base}
		for i, s := range steps {
			if got := known.news(s.event); got != s.news {
				t.Errorf("%s, step %d: news is %t", name, i, got)
			}
			if s.news {
				before := known.copy()
				known.note(s.event)
				if s.event.Kind != ReloadFailed && cmp.Equal(before, known) {
					t.Errorf("%s, step %d: a copy changed, or nothing", name, i)
				}
			}
		}
		if n := len(known.Packs["prod/a"].Gaps); n > 2 {
			t.Errorf("%s: %d gaps are kept", name, n)
		}
	}
}

func TestToldFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify.json")
	if got := readTold(path); got != nil {
		t.Errorf("nothing is read as %v", got)
	}
	known := told{Since: base, Digest: base, Findings: map[string]int{"altered": 1}}
	known.note(event(Gap, "a", 1))
	want := map[string]told{"chat": known}
	if err := writeTold(path, want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, readTold(path)); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(path, []byte(`{"chat":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := readTold(path); len(got) > 0 {
		t.Errorf("half a file is read as %v", got)
	}
	if err := writeTold(filepath.Join(path, "not-a-folder"), want); err == nil {
		t.Error("written into a file")
	}
}
