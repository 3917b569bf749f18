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

// blockedBy is an event of a slot that waits until somebody does what the hint says.
func blockedBy(p string, hours int, hint string) Event {
	e := event(Blocked, p, hours)
	e.Reason, e.Hint = "denied", hint
	return e
}

// at sets when an event was recorded.
func (e Event) at(hours float64) Event {
	e.At = base.Add(time.Duration(hours * float64(time.Hour)))
	return e
}

// TestLog goes through events and holds which of them are news.
func TestLog(t *testing.T) {
	t.Parallel()
	findings := func(n int) Event { return Event{Kind: Problems, Counts: map[string]int{"altered": n}} }
	type step struct {
		event Event
		news  bool
	}
	for name, steps := range map[string][]step{
		"a gap is sent once":         {{event(Gap, "a", 0), true}, {event(Gap, "a", 0), false}, {event(Gap, "a", 1), true}, {event(Gap, "b", 0), true}},
		"before the first start":     {{event(Gap, "a", -9), false}, {event(Gap, "a", -9).at(0.1), true}},
		"recorded in another order":  {{event(Gap, "a", 2).at(2.2), true}, {event(Gap, "a", 1).at(2.1), true}, {event(Gap, "a", 1).at(2.1), false}, {event(Gap, "a", 2).at(2.2), false}},
		"sent long ago":              {{event(Gap, "a", 0), true}, {event(Gap, "a", 24), true}, {event(Gap, "a", 0), false}, {event(Gap, "a", 1), false}},
		"recovered once":             {{event(Recovered, "a", 0), false}, {event(Gap, "a", 1), true}, {event(Recovered, "a", 2), true}, {event(Recovered, "a", 3), false}},
		"an earlier slot is sealed":  {{event(Gap, "a", 1), true}, {event(Recovered, "a", 0), false}, {event(Recovered, "a", 2), true}},
		"of another pack":            {{event(Gap, "a", 1), true}, {event(Recovered, "b", 2), false}},
		"overdue once":               {{event(Overdue, "a", 0), true}, {event(Overdue, "a", 0), false}, {event(Overdue, "a", 1), false}, {event(Recovered, "a", 0), true}, {event(Overdue, "a", 2), true}},
		"overdue, then a gap":        {{event(Overdue, "a", 0), true}, {event(Gap, "a", 0), true}, {event(Overdue, "a", 0), false}, {event(Overdue, "a", 1), true}, {event(Recovered, "a", 1), true}, {event(Recovered, "a", 1), false}},
		"an old gap is no new worry": {{event(Gap, "a", 4), true}, {event(Recovered, "a", 5), true}, {event(Gap, "a", 3).at(5), true}, {event(Recovered, "a", 6), false}},
		"findings that change":       {{Event{Kind: Problems}, false}, {findings(1), true}, {findings(1), false}, {findings(2), true}, {Event{Kind: Problems}, true}, {Event{Kind: Problems}, false}},
		"blocked once":               {{blockedBy("a", 0, "x"), true}, {blockedBy("a", 0, "x"), false}, {blockedBy("b", 1, "x"), false}, {blockedBy("b", 1, "y"), true}},
		"blocked in two ways":        {{blockedBy("a", 0, "x"), true}, {blockedBy("a", 0, "y"), true}, {blockedBy("a", 1, "y"), false}},
		"by the pack's own resource": {{blockedBy("cp-a", 0, "allow it on pack/cp-a"), true}, {blockedBy("cp-b", 0, "allow it on pack/cp-b"), false}},
		"blocked again":              {{blockedBy("a", 2, "x"), true}, {event(Recovered, "a", 1), false}, {event(Recovered, "b", 3), false}, {event(Recovered, "a", 2), true}, {event(Recovered, "a", 2), false}, {blockedBy("b", 2, "x"), true}},
		"blocked, then a gap":        {{blockedBy("a", 0, "x"), true}, {event(Gap, "a", 0), true}, {blockedBy("a", 24, "x"), false}, {event(Recovered, "a", 24), true}, {event(Recovered, "a", 25), false}},
		"blocked for a week":         {{blockedBy("a", 0, "x"), true}, {blockedBy("a", 167, "x"), false}, {blockedBy("a", 168, "x"), true}},
		"every refused reload":       {{Event{Kind: ReloadFailed}, true}, {Event{Kind: ReloadFailed}, true}},
	} {
		known := channelLog{Since: base}
		for i, s := range steps {
			if got := known.isNew(s.event); got != s.news {
				t.Errorf("%s, step %d: news is %t", name, i, got)
			}
			if s.news {
				before := known.clone()
				known.record(s.event)
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

func TestLogFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify.json")
	for _, none := range []string{path, ""} {
		if got, err := readLogs(none); got != nil || err != nil {
			t.Errorf("%q is read as %v, %v", none, got, err)
		}
	}
	known := channelLog{Since: base, Digest: base, Problems: map[string]int{"altered": 1}}
	known.record(event(Gap, "a", 1))
	want := map[string]channelLog{"chat": known}
	if err := writeLogs(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := readLogs(path)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := os.WriteFile(path, []byte(`{"chat":{"since":"2026-11-25T02:00:00Z"},"other":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := readLogs(path); len(got) > 0 || err == nil {
		t.Errorf("half a file is read as %v, %v", got, err)
	}
	if err := writeLogs(filepath.Join(path, "not-a-folder"), want); err == nil {
		t.Error("written into a file")
	}
}

// TestOlderFile reads what was written before channels could be replaced, byte
// for byte: nobody is sent again what that version sent.
func TestOlderFile(t *testing.T) {
	t.Parallel()
	const older = `{"chat":{"since":"2026-11-25T02:00:00Z","digest":"2026-11-25T09:00:00Z","findings":{"altered":1},"packs":{` +
		`"prod/a":{"gaps":{"20261125T030000Z":"2026-11-25T03:01:00Z"},"open":"gap","due":"2026-11-25T03:00:00Z"},` +
		`"prod/b":{"open":"overdue","due":"2026-11-25T04:00:00Z"}}}}`
	path := filepath.Join(t.TempDir(), "notify.json")
	if err := os.WriteFile(path, []byte(older), 0o600); err != nil {
		t.Fatal(err)
	}
	logs, err := readLogs(path)
	if err != nil {
		t.Fatal(err)
	}
	l := logs["chat"]
	if !l.Digest.Equal(base.Add(7 * time.Hour)) {
		t.Errorf("the last digest was at %s", l.Digest)
	}
	for e, want := range map[*Event]bool{
		{Kind: Gap, Source: "prod", Pack: "a", Due: base.Add(time.Hour), At: base.Add(61 * time.Minute)}:      false,
		{Kind: Gap, Source: "prod", Pack: "a", Due: base.Add(2 * time.Hour), At: base.Add(121 * time.Minute)}: true,
		{Kind: Gap, Source: "prod", Pack: "c", Due: base.Add(-9 * time.Hour), At: base.Add(-8 * time.Hour)}:   false,
		{Kind: Recovered, Source: "prod", Pack: "a", Due: base.Add(time.Hour)}:                                true,
		{Kind: Overdue, Source: "prod", Pack: "b", Due: base.Add(2 * time.Hour)}:                              false,
		{Kind: Problems, Counts: map[string]int{"altered": 1}}:                                                false,
		{Kind: Problems}: true,
	} {
		if l.isNew(*e) != want {
			t.Errorf("%+v: new is %t", *e, !want)
		}
	}
	if err := writeLogs(path, logs); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != older {
		t.Errorf("it is written as %s, %v", b, err)
	}
}
