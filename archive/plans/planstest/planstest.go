// Package planstest makes plans for tests.
package planstest

import (
	"testing"
	"time"

	"packseal.example/internal/evidence"
)

// Day is a time of 1 March 2026 and after, UTC: of a day, hour, minute and second.
func Day(d, hour, minute, second int) time.Time {
	return time.Date(2026, 3, d, hour, minute, second, 0, time.UTC)
}

// Planned is a pack of source prod, in UTC.
func Planned(pack, schedule string) evidence.PlannedPack {
	return evidence.PlannedPack{Source: "prod", Pack: pack, Schedule: schedule, Zone: "UTC"}
}

// Records makes the records of plans, by when they begin.
func Records(t testing.TB, all map[time.Time][]evidence.PlannedPack) map[string]evidence.Plan {
	t.Helper()
	records := make(map[string]evidence.Plan)
	for since, packs := range all {
		made, err := evidence.NewPlan(packs, since, "packseal/test")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range made {
			key, _, err := p.Encode()
			if err != nil {
				t.Fatal(err)
			}
			records[key] = p
		}
	}
	return records
}
