package period

import (
	"testing"
	"time"
	_ "time/tzdata" // the zones of the test, also where there are no zone files

	"packseal.example/internal/fault"
)

func TestIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, from, to, begin, end string }{
		{"UTC", "2026-03-31", "2026-03-31", "2026-03-31T00:00:00Z", "2026-04-01T00:00:00Z"},
		{"Asia/Shanghai", "2026-01-01", "2026-03-31", "2025-12-31T16:00:00Z", "2026-03-31T16:00:00Z"},
		{"Asia/Shanghai", "2026-01-01T00:00:00Z", "2026-01-01T02:00:00+08:00", "", ""},
		{"Asia/Shanghai", "2026-01-01T00:00:00+08:00", "2026-01-01T02:00:00.9+08:00", "2025-12-31T16:00:00Z", "2025-12-31T18:00:01Z"},
		{"Europe/Berlin", "2026-03-29", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"}, // a day of 23 hours
		{"Africa/Cairo", "2026-04-24", "2026-04-24", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"},  // midnight is skipped
		{"Atlantic/Azores", "2026-10-25", "2026-10-25", "2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z"},
		{"UTC", "", "2026-03-31", "0001-01-01T00:00:00Z", "2026-04-01T00:00:00Z"},
		{"UTC", "2026-03-31", "", "2026-03-31T00:00:00Z", "0001-01-01T00:00:00Z"},
		{"UTC", "2026-04-01", "2026-03-31", "", ""},
		{"UTC", "2026-02-30", "", "", ""},
		{"UTC", "", "yesterday", "", ""},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		from, to, err := Bounds{c.from, c.to}.In(zone)
		if c.begin == "" {
			if fault.Of(err) != fault.Request {
				t.Errorf("%q to %q: %s to %s, %v", c.from, c.to, from, to, err)
			}
			continue
		}
		if begin, end := from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339); err != nil || begin != c.begin || end != c.end {
			t.Errorf("%s: %q to %q is %s to %s, want %s to %s (%v)", c.zone, c.from, c.to, begin, end, c.begin, c.end, err)
		}
	}
}

// TestDaysMeet: in every zone each day ends when the next begins, and none is
// longer than 26 hours.
func TestDaysMeet(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"America/Havana", "Asia/Beirut", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for day := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2027; day = day.AddDate(0, 0, 1) {
			text := day.Format(time.DateOnly)
			from, to, err := Bounds{text, text}.In(zone)
			long := to.Sub(from)
			if err != nil || long < 22*time.Hour || long > 26*time.Hour || from.In(zone).Day() != day.Day() || to.Add(-1).In(zone).Day() != day.Day() {
				t.Errorf("%s in %s is %s to %s, %v", text, name, from, to, err)
			}
		}
	}
}
