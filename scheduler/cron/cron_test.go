package cron

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// schedule parses what must be right.
func schedule(t testing.TB, spec, zone string) Schedule {
	t.Helper()
	s, err := Parse(spec, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// utc reads the times of a day in "20060102T150405Z".
func utc(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse("20060102T150405Z", text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestClockChanges holds the contract of Schedule on the very days.
func TestClockChanges(t *testing.T) {
	t.Parallel()
	const berlin, newYork, lordHowe = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
	for _, c := range []struct {
		name, spec, zone, from, until string
		want                          []string // due times in the zone, with its offset from UTC
	}{
		{"spring, skipped", "30 2 * * *", berlin, "20260327T230000Z", "20260330T220000Z",
			[]string{"28 02:30 +01", "29 03:00 +02", "30 02:30 +02"}},
		{"spring, several skipped at once", "0,20,40 2 * * *", berlin, "20260328T230000Z", "20260329T220000Z",
			[]string{"29 03:00 +02"}},
		{"spring, skipped and due", "*/30 2,3 * * *", berlin, "20260328T230000Z", "20260329T220000Z",
			[]string{"29 03:00 +02", "29 03:30 +02"}},
		{"autumn, repeated", "30 2 * * *", berlin, "20261024T000000Z", "20261026T120000Z",
			[]string{"24 02:30 +02", "25 02:30 +02", "26 02:30 +01"}},
		{"autumn, all of the night", "*/30 1-3 * * *", berlin, "20261024T220000Z", "20261025T120000Z",
			[]string{"25 01:00 +02", "25 01:30 +02", "25 02:00 +02", "25 02:30 +02", "25 03:00 +01", "25 03:30 +01"}},
		{"spring, every hour", "30 * * * *", berlin, "20260328T233000Z", "20260329T023000Z",
			[]string{"29 01:30 +01", "29 03:30 +02", "29 04:30 +02"}},
		{"autumn, every hour", "30 * * * *", berlin, "20261024T233000Z", "20261025T023000Z",
			[]string{"25 02:30 +02", "25 02:30 +01", "25 03:30 +01"}},
		{"spring, New York", "15 2 * * *", newYork, "20260308T000000Z", "20260309T120000Z",
			[]string{"08 03:00 -04", "09 02:15 -04"}},
		{"autumn, New York", "15 1 * * *", newYork, "20261101T000000Z", "20261102T120000Z",
			[]string{"01 01:15 -04", "02 01:15 -05"}},
		{"spring, half an hour", "15 2 * * *", lordHowe, "20261003T000000Z", "20261004T160000Z",
			[]string{"04 02:30 +11", "05 02:15 +11"}},
		{"autumn, half an hour", "45 1 * * *", lordHowe, "20260403T160000Z", "20260406T000000Z",
			[]string{"05 01:45 +11", "06 01:45 +1030"}},
		{"autumn, half an hour, every hour", "45 * * * *", lordHowe, "20260404T140000Z", "20260404T161500Z",
			[]string{"05 01:45 +11", "05 01:45 +1030", "05 02:45 +1030"}},
		{"a day that was skipped", "0 12 * * *", "Pacific/Apia", "20111229T000000Z", "20111231T120000Z",
			[]string{"29 12:00 -10", "31 00:00 +14", "31 12:00 +14"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := schedule(t, c.spec, c.zone)
			var got []string
			for due := range s.Between(utc(t, c.from), utc(t, c.until)) {
				got = append(got, due.In(s.loc).Format("02 15:04 -07"))
				if _, offset := due.In(s.loc).Zone(); offset%3600 != 0 {
					got[len(got)-1] = due.In(s.loc).Format("02 15:04 -0700")
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestYears counts, over years and zones: a schedule of fixed hours is due
// once each day of the calendar, and one of every hour follows elapsed time.
func TestYears(t *testing.T) {
	t.Parallel()
	from, until := utc(t, "20260101T120000Z"), utc(t, "20300101T120000Z")
	for _, zone := range []string{"UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago"} {
		for _, spec := range []string{"0 0 * * *", "30 1 * * *", "15 2 * * *", "45 2 * * *", "59 23 * * *"} {
			s := schedule(t, spec, zone)
			if n := len(slices.Collect(s.Between(from, until))); n != 4*365+1 {
				t.Errorf("%s in %s: %d in four years", spec, zone, n)
			}
		}
		s := schedule(t, "0 * * * *", zone)
		last := s.Next(from)
		for due := range s.Between(last, from.AddDate(1, 0, 0)) {
			if apart := due.Sub(last); apart != time.Hour && zone != "Australia/Lord_Howe" || apart < time.Hour/2 || apart > 3*time.Hour/2 {
				t.Errorf("every hour in %s: %v is %v after the last", zone, due, apart)
			}
			last = due
		}
	}
}

// TestLatest compares with the plain way, going through all of them.
func TestLatest(t *testing.T) {
	t.Parallel()
	from := utc(t, "20260101T000000Z")
	for _, spec := range []string{"0 2 * * *", "*/7 9-17 * * MON-FRI", "0 0 1 * *", "0 0 29 2 *", "*/5 * * 2 *", "@hourly", "@every 7h", "30 2 * * SUN"} {
		s := schedule(t, spec, "Europe/Berlin")
		var want time.Time
		until := from
		for range 40 {
			begin := until
			until = until.Add(53*time.Hour + 17*time.Second)
			for due := range s.Between(begin, until) {
				want = due
			}
			if got, ok := s.Latest(from, until); ok == want.IsZero() || !got.Equal(want) {
				t.Errorf("%s: the latest until %v is %v, want %v", spec, until, got, want)
			}
		}
	}
	if at, ok := (Schedule{}).Latest(from, from.AddDate(1, 0, 0)); ok || at != (time.Time{}) {
		t.Errorf("the zero schedule was due at %v", at)
	}
	s := schedule(t, "@every 1s", "")
	if at, ok := s.Latest(time.Time{}, from); !ok || !at.Equal(from) {
		t.Errorf("every second: %v", at)
	}
	if at, ok := s.Latest(from, from); ok {
		t.Errorf("after its own end: %v", at)
	}
}

func TestInterval(t *testing.T) {
	t.Parallel()
	const hour, day = time.Hour, 24 * time.Hour
	for _, c := range []struct {
		spec string
		want time.Duration
	}{
		{"0 2 * * *", day}, {"0 2 * * MON-FRI", 3 * day}, {"0 4 * * MON", 7 * day}, {"0 4 1 * *", 31 * day},
		{"@yearly", 365 * day}, {"0 0 29 2 *", 4*365*day + day}, {"@hourly", hour}, {"*/15 * * * *", 15 * time.Minute},
		{"0 9-17 * * *", 16 * hour}, {"0 9-17 * * MON-FRI", 64 * hour}, {"@every 15s", 15 * time.Second}, {"@every 100h", 100 * hour},
		{"* * * * MON-FRI", time.Minute}, // in mid-week
	} {
		if got := schedule(t, c.spec, "").Interval(utc(t, "20260114T120000Z")); got != c.want {
			t.Errorf("%s: %v, want %v", c.spec, got, c.want)
		}
	}
	weekend := schedule(t, "* * * * MON-FRI", "").Interval(utc(t, "20260117T120000Z"))
	if weekend != 2*day+time.Minute {
		t.Errorf("on the weekend: %v", weekend)
	}
	if got := (Schedule{}).Interval(time.Now()); got != 0 {
		t.Errorf("the zero schedule: %v", got)
	}
}

func BenchmarkLatest(b *testing.B) {
	for _, spec := range []string{"@every 1s", "* * * * *", "0 2 * * *", "0 0 29 2 *"} {
		b.Run(spec, func(b *testing.B) {
			s := schedule(b, spec, "Europe/Berlin")
			until := utc(b, "20260801T120000Z")
			for b.Loop() {
				s.Latest(until.AddDate(-9, 0, 0), until)
			}
		})
	}
}
