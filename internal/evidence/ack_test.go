package evidence_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// goldenAck is an acknowledgement as it is written, and goldenAckKey where.
const (
	goldenAck = `{"due":"2026-03-31T18:00:00Z","pack":"ca-1/cp-2","problem":"altered","recorded":"2026-04-01T10:20:30Z","schema":"packseal.ack/v1",` +
		`"source":"prod","tool":"packseal/1.0","until":"2026-12-31T15:59:59Z","who":"ops@host","why":"disk < 1% broken, ticket 4711"}`
	goldenAckKey = "prod/ca-1/cp-2/2026/03/20260331T180000Z/ack-20260401T102030Z.json"
)

func TestAck(t *testing.T) {
	t.Parallel()
	want := evidence.Ack{
		Due: time.Date(2026, 3, 31, 18, 0, 0, 0, time.UTC), Pack: "ca-1/cp-2", Problem: "altered", Recorded: time.Date(2026, 4, 1, 10, 20, 30, 0, time.UTC),
		Schema: evidence.AckSchema, Source: "prod", Tool: "packseal/1.0", Until: time.Date(2026, 12, 31, 15, 59, 59, 0, time.UTC), Who: "ops@host", Why: "disk < 1% broken, ticket 4711",
	}
	got, err := evidence.DecodeAck([]byte(goldenAck), goldenAckKey)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("%v\n%s", err, diff)
	}
	if raw, err := evidence.Encode(got); err != nil || string(raw) != goldenAck {
		t.Errorf("it is written again as %s, %v", raw, err)
	}
	if s, name, ok := evidence.ParseKey(got.Key()); got.Key() != goldenAckKey || !ok || s != got.Slot() || !evidence.IsAck(name) {
		t.Errorf("its key is %s", got.Key())
	}
	if text := "acknowledged by ops@host until 2026-12-31T15:59:59Z: disk < 1% broken, ticket 4711"; got.String() != text {
		t.Errorf("in words it is %q", got)
	}
	ever := got
	ever.Until, ever.Problem = time.Time{}, ""
	if raw, err := evidence.Encode(ever); err != nil || strings.Contains(string(raw), "until") || strings.Contains(string(raw), "problem") || strings.Contains(ever.String(), "until") {
		t.Errorf("for ever it is %s, %v, %s", raw, err, ever)
	}
}

func TestAckRefuses(t *testing.T) {
	t.Parallel()
	raw := []byte(goldenAck)
	for name, c := range map[string]struct {
		b      []byte
		key    string
		reason fault.Reason
	}{
		"another slot's":      {raw, strings.Replace(goldenAckKey, "cp-2", "cp-3", 1), fault.Damaged},
		"of another time":     {raw, strings.Replace(goldenAckKey, "102030", "102031", 1), fault.Damaged},
		"a plan":              {[]byte(goldenPlan), goldenAckKey, fault.Damaged},
		"an unknown field":    {with(raw, `"due"`, `"a":1,"due"`), goldenAckKey, fault.Damaged},
		"an empty until":      {with(raw, "2026-12-31T15:59:59Z", "0001-01-01T00:00:00Z"), goldenAckKey, fault.Damaged},
		"an empty problem":    {with(raw, "altered", ""), goldenAckKey, fault.Damaged},
		"nobody":              {with(raw, "ops@host", ""), goldenAckKey, fault.Damaged},
		"no reason":           {with(raw, "disk < 1% broken, ticket 4711", " "), goldenAckKey, fault.Damaged},
		"one of a newer time": {with(raw, "ack/v1", "ack/v2"), goldenAckKey, fault.Newer},
	} {
		if _, err := evidence.DecodeAck(c.b, c.key); fault.Of(err) != c.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "ack-.json", "ack-20260401.json", "ack-20260401T102030Z.jsonx", "ack-20260401T102030.5Z.json", "gap.json", "Ack-20260401T102030Z.json"} {
		if evidence.IsAck(name) {
			t.Errorf("%q is taken for an acknowledgement", name)
		}
	}
}

// TestInForce: the last one that was recorded of a kind counts, until it expires.
func TestInForce(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return time.Date(2026, 4, 1, 10, minute, 0, 0, time.UTC) }
	acks := []evidence.Ack{
		{Recorded: at(2), Why: "second", Until: at(9)},
		{Recorded: at(1), Why: "first"},
		{Recorded: at(3), Why: "altered", Problem: "altered"},
	}
	for _, c := range []struct {
		problem string
		now     time.Time
		want    string
	}{
		{"", at(5), "second"}, {"", at(9), "second"}, {"", at(10), ""}, {"altered", at(10), "altered"}, {"missing", at(5), ""},
	} {
		got := ""
		if a := evidence.InForce(acks, c.problem, c.now); a != nil {
			got = a.Why
		}
		if got != c.want {
			t.Errorf("of %q at %s, %q counts, want %q", c.problem, c.now, got, c.want)
		}
	}
}

// FuzzAck: a stranger's acknowledgement is refused, or is that of its key and in
// canonical form.
func FuzzAck(f *testing.F) {
	f.Add([]byte(goldenAck))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := evidence.DecodeAck(b, goldenAckKey)
		if err != nil {
			if r := fault.Of(err); r != fault.Damaged && r != fault.Newer && len(b) <= evidence.MaxRecord {
				t.Errorf("%v is neither damaged nor newer", err)
			}
			return
		}
		if again, err := evidence.Encode(a); err != nil || string(again) != string(b) || a.Key() != goldenAckKey {
			t.Errorf("encoded again it is %q under %s, %v", again, a.Key(), err)
		}
	})
}
