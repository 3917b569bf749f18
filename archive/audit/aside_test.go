package audit_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/archive/audit"
	"packseal.example/archive/audit/audittest"
	"packseal.example/internal/fault"
)

// TestAside: what comes with a bundle for people and for other programs is named, since
// nothing checks it.
func TestAside(t *testing.T) {
	t.Parallel()
	l, f := small(t)
	raw := extra(t, f, named(audit.PageName), named(audit.VerifyScript), named(audit.KeysDir+"log.vkey"), named(audit.KeysDir+"witnesses"))
	r, err := audit.Bundle(bytes.NewReader(raw), int64(len(raw)), audit.Options{Keys: []string{l.Key}, Tool: audittest.Tool})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"index.html", "verify.py", "keys/"}; !slices.Equal(r.Aside, want) || len(r.Findings) > 0 {
		t.Errorf("it names %q, and finds %+v", r.Aside, r.Findings)
	}
	for lang, want := range map[string]string{audit.English: "not checked, and no evidence: index.html, verify.py, keys/\n", audit.Chinese: "未核对，不是证据：index.html, verify.py, keys/\n"} {
		if text := r.Text(lang); !strings.Contains(text, want) {
			t.Errorf("it says\n%s", text)
		}
	}
}

// TestEnded: a period that is not over ends now, and of one that has not begun nothing
// can be said.
func TestEnded(t *testing.T) {
	t.Parallel()
	p := audittest.March(2, 10)
	noon := audittest.Moment(5, 12, 0)
	for name, c := range map[string]struct{ now, until time.Time }{
		"over":     {p.Until.Add(time.Hour), p.Until},
		"not over": {noon.Add(-time.Second / 2), noon},
		"to come":  {p.From.Add(-time.Second), time.Time{}},
	} {
		got, err := p.Ended(c.now)
		if c.until.IsZero() {
			if fault.Of(err) != fault.Request {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			continue
		}
		if !got.Until.Equal(c.until) || !got.From.Equal(p.From) || got.Zone != p.Zone || err != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestUnsettled: without time-stamps it is not said that a slot without a record was
// never settled.
func TestUnsettled(t *testing.T) {
	t.Parallel()
	l := audittest.New(t)
	l.Run(audittest.Moment(1, 0, 0), audittest.Moment(4, 12, 0))
	in := l.Input(audit.Period{From: audittest.Moment(1, 0, 0), Until: audittest.Moment(5, 3, 0), Zone: "UTC"})
	for _, stamped := range []bool{true, false} {
		if !stamped {
			in.Stamps = nil
		}
		s, err := audit.Compute(in)
		if err != nil {
			t.Fatal(err)
		}
		word, said := audit.Open, "ask for a bundle that ends later"
		if !stamped {
			word, said = audit.Missing, "Without time-stamps, nothing tells"
		}
		if !slices.ContainsFunc(s.Findings, func(f audit.Finding) bool {
			return f.Word == word && strings.Contains(f.Sentence, said) && f.Listed()
		}) {
			t.Errorf("stamped: %v: %+v", stamped, s.Findings)
		}
	}
}
