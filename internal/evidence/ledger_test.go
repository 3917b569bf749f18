package evidence_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// at returns a time of the day that the ledger's records are of.
func at(hour int) time.Time { return time.Date(2026, 3, 31, hour, 0, 0, 0, time.UTC) }

// TestLedgerRecords: the ledger's records are these bytes under these keys, and
// read as what was written.
func TestLedgerRecords(t *testing.T) {
	t.Parallel()
	const plan = "4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a"
	for _, c := range []struct {
		record interface {
			Encode() (string, []byte, error)
		}
		decode   func([]byte, string) (any, error)
		key, raw string
	}{
		{
			evidence.Slate{Due: []evidence.SlateDue{{Schedule: "0 2 * * *", Times: []time.Time{at(18)}, Zone: "Asia/Shanghai"}}, From: at(0), Plan: plan, Schema: evidence.SlateSchema, Tool: "packseal/1", Until: at(23)},
			func(b []byte, key string) (any, error) { return evidence.DecodeSlate(b, key) },
			"packseal-ledger/slate/20260331T230000Z-",
			`{"due":[{"schedule":"0 2 * * *","times":["2026-03-31T18:00:00Z"],"zone":"Asia/Shanghai"}],"from":"2026-03-31T00:00:00Z","plan":"` + plan +
				`","schema":"packseal.slate/v1","tool":"packseal/1","until":"2026-03-31T23:00:00Z"}`,
		},
		{
			evidence.Policy{Keep: "3y", Schema: evidence.PolicySchema, Since: at(1), Tool: "packseal/1"},
			func(b []byte, key string) (any, error) { return evidence.DecodePolicy(b, key) },
			"packseal-ledger/policy/", `{"keep":"3y","schema":"packseal.policy/v1","since":"2026-03-31T01:00:00Z","tool":"packseal/1"}`,
		},
		{
			evidence.NextKey{Key: "example.com/x+4adaaa92+AYrfPsXq", OverlapUntil: at(2), Schema: evidence.NextKeySchema, Since: at(1), Tool: "packseal/1"},
			func(b []byte, key string) (any, error) { return evidence.DecodeNextKey(b, key) },
			"packseal-ledger/key/",
			`{"key":"example.com/x+4adaaa92+AYrfPsXq","overlap_until":"2026-03-31T02:00:00Z","schema":"packseal.key/v1","since":"2026-03-31T01:00:00Z","tool":"packseal/1"}`,
		},
		{
			evidence.Epoch{Origin: "example.com/x", Reason: "the key was stolen", Root: "BfoIi2zb5vFHODsQzzEB2jpQWs9WTPDmzqxv8s2iezc=", Schema: evidence.EpochSchema, Size: 7, Tool: "packseal/1"},
			func(b []byte, key string) (any, error) { return evidence.DecodeEpoch(b, key) },
			"packseal-ledger/epoch/",
			`{"origin":"example.com/x","reason":"the key was stolen","root":"BfoIi2zb5vFHODsQzzEB2jpQWs9WTPDmzqxv8s2iezc=","schema":"packseal.epoch/v1","size":7,"tool":"packseal/1"}`,
		},
	} {
		key, raw, err := c.record.Encode()
		if err != nil || string(raw) != c.raw || !strings.HasPrefix(key, c.key) || len(key) != len(c.key)+len("0123456789ab.json") {
			t.Errorf("%T is %s under %s, %v", c.record, raw, key, err)
		}
		got, err := c.decode(raw, key)
		if diff := cmp.Diff(any(c.record), got); err != nil || diff != "" {
			t.Errorf("%T is read as %v: %s", c.record, err, diff)
		}
		for name, bad := range map[string][]byte{"another's": with(raw, "packseal/1", "packseal/2"), "a plan": []byte(goldenPlan), "more": with(raw, `"schema"`, `"s":1,"schema"`)} {
			if _, err := c.decode(bad, key); fault.Of(err) != fault.Damaged {
				t.Errorf("%T, %s: %v", c.record, name, err)
			}
		}
	}
}

func TestSlateRefuses(t *testing.T) {
	t.Parallel()
	for name, times := range map[string][]time.Time{"before it begins": {at(0)}, "after its end": {at(3)}, "in disorder": {at(2), at(1)}} {
		key, raw, err := evidence.Slate{Due: []evidence.SlateDue{{Times: times}}, From: at(0), Until: at(2)}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := evidence.DecodeSlate(raw, key); fault.Of(err) != fault.Damaged {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := evidence.Slate{From: at(0), Until: at(2)}
	for range 2500 {
		long.Due = append(long.Due, evidence.SlateDue{Times: []time.Time{at(1)}})
	}
	if _, _, err := long.Encode(); err == nil {
		t.Error("a slate of any length is written")
	}
}
