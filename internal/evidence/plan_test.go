package evidence_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// goldenPlan is a plan as it is written.
const goldenPlan = `{"packs":[{"pack":"ca-1/cp-2","schedule":"0 2 * * *","source":"prod","zone":"Asia/Shanghai"},` +
	`{"pack":"cp-1","schedule":"@every 1h","source":"prod","zone":"UTC"}],"schema":"packseal.plan/v1","since":"2026-03-01T10:20:30Z","tool":"packseal/1.0"}`

func TestPlan(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 3, 1, 18, 20, 30, 0, time.FixedZone("", 8*3600))
	plans, err := evidence.NewPlan([]evidence.PlannedPack{
		{Pack: "cp-1", Schedule: "@every 1h", Source: "prod", Zone: "UTC"},
		{Pack: "ca-1/cp-2", Schedule: "0 2 * * *", Source: "prod", Zone: "Asia/Shanghai"},
	}, since, "packseal/1.0")
	if err != nil || len(plans) != 1 {
		t.Fatalf("%d records, %v", len(plans), err)
	}
	key, raw, err := plans[0].Encode()
	if diff := cmp.Diff(goldenPlan, string(raw)); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if want := "packseal-ledger/plan/20260301T102030Z-2bb5101e759f.json"; key != want || !evidence.IsPlan(key) {
		t.Errorf("its key is %s, want %s", key, want)
	}
	again, err := evidence.DecodePlan(raw, key)
	if diff := cmp.Diff(plans[0], again); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// TestPlanSince: a pack's since is in the record, and takes the newer schema, only if
// it is later than the plan's.
func TestPlanSince(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 10, 20, 30, 0, time.UTC)
	for since, want := range map[time.Time]string{
		at.Add(-time.Second): `"source":"prod","zone":"UTC"}],"schema":"packseal.plan/v1"`,
		at:                   `"source":"prod","zone":"UTC"}],"schema":"packseal.plan/v1"`,
		at.Add(time.Second):  `"since":"2026-03-01T10:20:31Z","source":"prod","zone":"UTC"}],"schema":"packseal.plan/v2"`,
	} {
		plans, err := evidence.NewPlan([]evidence.PlannedPack{{Pack: "cp-1", Schedule: "@daily", Source: "prod", Since: since, Zone: "UTC"}}, at, "t")
		if err != nil {
			t.Fatal(err)
		}
		key, raw, err := plans[0].Encode()
		if err != nil || !strings.Contains(string(raw), `"schedule":"@daily",`+want) {
			t.Errorf("since %s: %s, %v", since, raw, err)
		}
		if again, err := evidence.DecodePlan(raw, key); err != nil || !again.Packs[0].Equal(plans[0].Packs[0]) {
			t.Errorf("since %s: %+v, %v", since, again, err)
		}
	}
}

// TestBoundedPlan: sinks and an end take the newer schema, and no plan without them
// does.
func TestBoundedPlan(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 10, 20, 30, 0, time.UTC)
	for name, c := range map[string]struct {
		pack evidence.PlannedPack
		want string
	}{
		"sinks": {evidence.PlannedPack{Pack: "cp-1", Schedule: "@daily", Sinks: []string{"a", "b"}, Source: "prod", Zone: "UTC"},
			`{"packs":[{"pack":"cp-1","schedule":"@daily","sinks":["a","b"],"source":"prod","zone":"UTC"}],"schema":"packseal.plan/v2","since":"2026-03-01T10:20:30Z","tool":"t"}`},
		"until": {evidence.PlannedPack{Pack: "cp-1", Schedule: "@daily", Source: "prod", Until: at, Zone: "UTC"},
			`{"packs":[{"pack":"cp-1","schedule":"@daily","source":"prod","until":"2026-03-01T10:20:30Z","zone":"UTC"}],"schema":"packseal.plan/v2","since":"2026-03-01T10:20:30Z","tool":"t"}`},
	} {
		plans, err := evidence.NewPlan([]evidence.PlannedPack{c.pack}, at, "t")
		if err != nil {
			t.Fatal(err)
		}
		key, raw, err := plans[0].Encode()
		if diff := cmp.Diff(c.want, string(raw)); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		again, err := evidence.DecodePlan(raw, key)
		if diff := cmp.Diff(plans[0], again); err != nil || diff != "" || !again.Packs[0].Equal(c.pack) {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		bare := c.pack
		bare.Sinks, bare.Until = nil, time.Time{}
		if bare.Equal(c.pack) {
			t.Errorf("%s: equal without", name)
		}
		old := strings.Replace(string(raw), "plan/v2", "plan/v1", 1)
		if _, err := evidence.Decode([]byte(old)); fault.Of(err) != fault.Damaged {
			t.Errorf("%s in v1: %v", name, err)
		}
	}
}

// TestLongPlan: a plan that is too long for one record is in several, and says so.
func TestLongPlan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		packs    int
		schedule string
		parts    int
	}{
		"none": {0, "@daily", 1}, "full": {250, "@daily", 1}, "one more": {251, "@daily", 2}, "long schedules": {250, "0 " + strings.Repeat("2,", 120) + "3 * * *", 2},
	} {
		var packs []evidence.PlannedPack
		for i := range c.packs {
			packs = append(packs, evidence.PlannedPack{Pack: fmt.Sprintf("cp-%020d", i), Schedule: c.schedule, Source: "prod", Zone: "UTC"})
		}
		plans, err := evidence.NewPlan(packs, time.Unix(0, 0), "packseal/test")
		if err != nil || len(plans) != c.parts {
			t.Errorf("%s: %d records, %v", name, len(plans), err)
		}
		var all []evidence.PlannedPack
		for i, p := range plans {
			if c.parts > 1 && (p.Part != i+1 || p.Parts != c.parts) || c.parts == 1 && p.Parts != 0 {
				t.Errorf("%s: record %d is part %d of %d", name, i, p.Part, p.Parts)
			}
			if _, raw, err := p.Encode(); err != nil || !strings.HasPrefix(string(raw), `{"packs":[`) {
				t.Errorf("%s: record %d: %v", name, i, err)
			}
			all = append(all, p.Packs...)
		}
		if diff := cmp.Diff(packs, all); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestDecodePlanRefuses(t *testing.T) {
	t.Parallel()
	own := func(raw string) string {
		v, err := evidence.Decode([]byte(raw))
		if err != nil {
			return ""
		}
		key, _, _ := v.(evidence.Plan).Encode()
		return key
	}
	for name, c := range map[string]struct {
		raw, key string
		reason   fault.Reason
	}{
		"another key":    {goldenPlan, "packseal-ledger/plan/20260301T102030Z-000000000000.json", fault.Damaged},
		"another time":   {goldenPlan, strings.Replace(own(goldenPlan), "T10", "T11", 1), fault.Damaged},
		"altered":        {strings.Replace(goldenPlan, "@every 1h", "@every 2h", 1), own(goldenPlan), fault.Damaged},
		"not in order":   {strings.Replace(goldenPlan, "ca-1", "cz-1", 1), own(strings.Replace(goldenPlan, "ca-1", "cz-1", 1)), fault.Damaged},
		"part of none":   {strings.Replace(goldenPlan, `],"schema"`, `],"part":1,"schema"`, 1), own(strings.Replace(goldenPlan, `],"schema"`, `],"part":1,"schema"`, 1)), fault.Damaged},
		"unknown fields": {strings.Replace(goldenPlan, `"zone":"UTC"`, `"zone":"UTC","zzz":1`, 1), own(goldenPlan), fault.Damaged},
		"newer":          {strings.Replace(goldenPlan, "plan/v1", "plan/v3", 1), own(goldenPlan), fault.Newer},
		"not a plan":     {`{"schema":"packseal.gap/v1"}`, own(goldenPlan), fault.Damaged},
	} {
		if _, err := evidence.DecodePlan([]byte(c.raw), c.key); fault.Of(err) != c.reason {
			t.Errorf("%s: %v, want %s", name, err, c.reason)
		}
	}
}
