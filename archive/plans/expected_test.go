package plans_test

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive/plans"
	"packseal.example/archive/plans/planstest"
	"packseal.example/internal/evidence"
)

// What the tests make plans of.
var day, planned, records = planstest.Day, planstest.Planned, planstest.Records

// ids are the slots' packs and due times.
func ids(slots iter.Seq2[evidence.Slot, evidence.PlannedPack]) (ids []string) {
	for s := range slots {
		ids = append(ids, s.Pack+" "+s.Due.Format("02 15:04:05"))
	}
	return ids
}

func TestExpected(t *testing.T) {
	t.Parallel()
	noon := planned("cp-1", "0 12 * * *")
	bounded := noon
	bounded.Since, bounded.Until = day(2, 12, 0, 0), day(3, 12, 0, 0)
	other := planned("cp-2", "0 12 * * *")
	other.Until = day(1, 12, 0, 0)
	type at = map[time.Time][]evidence.PlannedPack
	for _, c := range []struct {
		name  string
		plans at
		from  map[time.Time]time.Time // when plans came into force that did so later than they say
		want  []string
	}{
		{name: "no plan"},
		{name: "one pack", plans: at{day(1, 0, 0, 0): {noon}}, want: []string{"cp-1 01 12:00:00", "cp-1 02 12:00:00", "cp-1 03 12:00:00", "cp-1 04 12:00:00"}},
		{name: "the window's end is in, its begin is not", plans: at{day(1, 0, 0, 0): {planned("cp-1", "0 0 * * *")}}, want: []string{"cp-1 02 00:00:00", "cp-1 03 00:00:00", "cp-1 04 00:00:00", "cp-1 05 00:00:00"}},
		{name: "nothing before the first plan", plans: at{day(3, 0, 0, 0): {noon}}, want: []string{"cp-1 03 12:00:00", "cp-1 04 12:00:00"}},
		{name: "a plan counts from its second on", plans: at{day(1, 0, 0, 0): {noon}, day(3, 12, 0, 0): {}}, want: []string{"cp-1 01 12:00:00", "cp-1 02 12:00:00"}},
		{name: "and the one before it until then", plans: at{day(1, 0, 0, 0): {noon}, day(3, 12, 0, 1): {}}, want: []string{"cp-1 01 12:00:00", "cp-1 02 12:00:00", "cp-1 03 12:00:00"}},
		{
			name:  "a back-dated plan counts from when it came into force",
			plans: at{day(1, 0, 0, 0): {noon}, day(1, 6, 0, 0): {}}, from: map[time.Time]time.Time{day(1, 6, 0, 0): day(3, 12, 0, 0)},
			want: []string{"cp-1 01 12:00:00", "cp-1 02 12:00:00"},
		},
		{
			name:  "of two that came into force at once the later one counts",
			plans: at{day(1, 0, 0, 0): {}, day(1, 1, 0, 0): {noon}}, from: map[time.Time]time.Time{day(1, 0, 0, 0): day(4, 0, 0, 0), day(1, 1, 0, 0): day(4, 0, 0, 0)},
			want: []string{"cp-1 04 12:00:00"},
		},
		{
			name:  "a denser schedule asks for nothing of the past",
			plans: at{day(1, 0, 0, 0): {noon}, day(4, 11, 50, 0): {planned("cp-1", "0 */3 * * *")}},
			want:  []string{"cp-1 01 12:00:00", "cp-1 02 12:00:00", "cp-1 03 12:00:00", "cp-1 04 12:00:00", "cp-1 04 15:00:00", "cp-1 04 18:00:00", "cp-1 04 21:00:00", "cp-1 05 00:00:00"},
		},
		{name: "a pack's bounds", plans: at{day(1, 0, 0, 0): {bounded, other}}, want: []string{"cp-2 01 12:00:00", "cp-1 02 12:00:00", "cp-1 03 12:00:00"}},
		{name: "the plan's since is later than the pack's", plans: at{day(3, 0, 0, 0): {bounded}}, want: []string{"cp-1 03 12:00:00"}},
		{
			name:  "by source and pack where they are due together",
			plans: at{day(4, 11, 0, 0): {planned("cp-3", "0 12 * * *"), planned("cp-2", "0 */6 * * *"), planned("cp-1", "0 12 * * *"), {Source: "dev", Pack: "cp-9", Schedule: "0 12 * * *", Zone: "Etc/UTC"}}},
			want:  []string{"cp-9 04 12:00:00", "cp-1 04 12:00:00", "cp-2 04 12:00:00", "cp-3 04 12:00:00", "cp-2 04 18:00:00", "cp-2 05 00:00:00"},
		},
		{name: "a schedule that can't be read", plans: at{day(4, 0, 0, 0): {noon, planned("cp-2", "some day")}}, want: []string{"cp-1 04 12:00:00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := records(t, c.plans)
			h := plans.NewHistory(all, func(key string) time.Time { return c.from[all[key].Since] })
			got := ids(h.Expected(day(1, 0, 0, 0), day(5, 0, 0, 0)))
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestExpectedParts: what a plan in parts lacks is as before until it is whole.
func TestExpectedParts(t *testing.T) {
	t.Parallel()
	var packs []evidence.PlannedPack
	for i := range 600 {
		packs = append(packs, planned(fmt.Sprintf("cp-%03d", i), "0 12 * * *"))
	}
	all := records(t, map[time.Time][]evidence.PlannedPack{day(1, 0, 0, 0): packs, day(2, 0, 0, 0): packs[:300]})
	count := func(records map[string]evidence.Plan) (days [4]int) {
		for s := range plans.NewHistory(records, nil).Expected(day(1, 0, 0, 0), day(5, 0, 0, 0)) {
			days[s.Due.Day()-1]++
		}
		return days
	}
	if got := count(all); got != [4]int{600, 300, 300, 300} {
		t.Errorf("whole plans: %v", got)
	}
	maps.DeleteFunc(all, func(_ string, p evidence.Plan) bool { return p.Since.Equal(day(2, 0, 0, 0)) && p.Part == 2 })
	if got := count(all); got != [4]int{600, 600, 600, 600} {
		t.Errorf("without a part of the second: %v", got)
	}
}

// TestExpectedIsTimelines: for any plans, Expected yields what each pack's timeline does.
func TestExpectedIsTimelines(t *testing.T) {
	t.Parallel()
	specs := []string{"0 2 * * *", "30 2 * * *", "@every 7h", "*/40 * * * *", "0 2 * * MON", "0 30 2 29 3 *"}
	zones := []string{"UTC", "Europe/Berlin", "Asia/Shanghai", "Australia/Lord_Howe"}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 0))
		when := func() time.Time { return day(1, 0, 0, 0).Add(time.Duration(r.IntN(40*24*60)) * time.Minute) }
		made := make(map[time.Time][]evidence.PlannedPack)
		for range r.IntN(5) + 1 {
			var packs []evidence.PlannedPack
			for i := range r.IntN(6) {
				p := evidence.PlannedPack{Source: "prod", Pack: fmt.Sprint("cp-", i), Schedule: specs[r.IntN(len(specs))], Zone: zones[r.IntN(len(zones))]}
				if r.IntN(3) == 0 {
					p.Since = when()
				}
				if r.IntN(3) == 0 {
					p.Until = when()
				}
				packs = append(packs, p)
			}
			made[when()] = packs
		}
		all, from, until := records(t, made), when(), when()
		got := make(map[evidence.PackRef][]time.Time)
		last := from
		for s, p := range plans.NewHistory(all, nil).Expected(from, until) {
			if s.Ref() != p.Ref() || s.Due.Before(last) {
				t.Fatalf("seed %d: %s after %s, of %s", seed, s, last, p.Ref())
			}
			got[s.Ref()], last = append(got[s.Ref()], s.Due), s.Due
		}
		for ref, timeline := range plans.Timelines(all) {
			want := slices.Collect(timeline.Between(from, until))
			if d := cmp.Diff(want, got[ref]); d != "" {
				t.Errorf("seed %d: %s: %s", seed, ref, d)
			}
			delete(got, ref)
		}
		if len(got) > 0 {
			t.Errorf("seed %d: slots of packs that no plan has: %v", seed, got)
		}
	}
}

// BenchmarkExpected: 150 packs over a year.
func BenchmarkExpected(b *testing.B) {
	for _, schedule := range []string{"0 2 * * *", "*/5 * * * *"} {
		b.Run(schedule, func(b *testing.B) {
			var packs []evidence.PlannedPack
			for i := range 150 {
				packs = append(packs, evidence.PlannedPack{Source: "prod", Pack: fmt.Sprintf("cp-%03d", i), Schedule: schedule, Zone: "Asia/Shanghai"})
			}
			h := plans.NewHistory(records(b, map[time.Time][]evidence.PlannedPack{day(1, 0, 0, 0): packs}), nil)
			for b.Loop() {
				n := 0
				for range h.Expected(day(1, 0, 0, 0), day(366, 0, 0, 0)) {
					n++
				}
				b.ReportMetric(float64(n), "slots/op")
			}
		})
	}
}
