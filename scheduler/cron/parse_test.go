package cron

import (
	"strings"
	"testing"
	"time"

	"packseal.example/internal/fault"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, spec, zone, want string }{
		{"empty", "", "", "empty schedule"},
		{"blank", " \t ", "", "empty schedule"},
		{"panics the parser", "TZ=UTC", "", "names a time zone"},
		{"panics the parser too", "CRON_TZ=", "", "names a time zone"},
		{"zone in the schedule", "TZ=Asia/Shanghai 0 2 * * *", "", "names a time zone"},
		{"four fields", "0 2 * *", "", "expected"},
		{"seven fields", "0 0 2 * * * *", "", "expected"},
		{"minute 60", "60 2 * * *", "", "above maximum"},
		{"step of nothing", "*/0 2 * * *", "", "step"},
		{"backwards", "30-10 2 * * *", "", "beginning of range"},
		{"huge number", "99999999999999999999 2 * * *", "", "failed to parse"},
		{"unknown name", "0 2 * * MOO", "", "failed to parse"},
		{"unknown descriptor", "@fortnightly", "", "unrecognized"},
		{"last day of cron's cousins", "0 2 L * *", "", "failed to parse"},
		{"31 February", "0 0 31 2 *", "", "never falls due"},
		{"31st of short months", "0 0 31 2,4,6,9,11 *", "", "never falls due"},
		{"every nothing", "@every 0s", "", "whole number of seconds"},
		{"every less than nothing", "@every -1h", "", "whole number of seconds"},
		{"every half second", "@every 500ms", "", "whole number of seconds"},
		{"every second and a half", "@every 1500ms", "", "whole number of seconds"},
		{"every what", "@every", "", "not a duration"},
		{"every day", "@every 1 day", "", "not a duration"},
		{"too long", "0 2 * * " + strings.Repeat("1,", 200) + "1", "", "of 256 at most"},
		{"machine's zone", "0 2 * * *", "Local", "another one on each machine"},
		{"machine's zone file", "0 2 * * *", "localtime", "another one on each machine"},
		{"unknown zone", "0 2 * * *", "Asia/Shangri-La", "unknown time zone"},
		{"zone outside", "0 2 * * *", "../../../etc/passwd", "unknown time zone"},
		{"zone too long", "0 2 * * *", strings.Repeat("A", 300), "time zone of 300 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := Parse(c.spec, c.zone)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if fault.Of(err) != fault.Request || fault.Hint(err) == "" {
				t.Errorf("reason %q, hint %q: want request and a hint", fault.Of(err), fault.Hint(err))
			}
			if !s.Next(time.Now()).IsZero() {
				t.Errorf("a refused schedule falls due")
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 89, time.UTC) // a Wednesday
	for _, c := range []struct{ spec, zone, want string }{
		{"0 2 * * *", "", "20260305T020000Z"},
		{"  0  2 * * *  ", "UTC", "20260305T020000Z"},
		{"0 2 * * *", "Asia/Shanghai", "20260304T180000Z"},
		{"30 0 2 * * *", "", "20260305T020030Z"},
		{"*/15 * * * * *", "", "20260304T050615Z"},
		{"*/15 * * * *", "", "20260304T051500Z"},
		{"0 4 * * MON", "", "20260309T040000Z"},
		{"0 2 1 * MON", "", "20260309T020000Z"}, // either day
		{"0 2 7 * MON", "", "20260307T020000Z"},
		{"0 0 29 2 *", "", "20280229T000000Z"},
		{"@hourly", "Asia/Kolkata", "20260304T053000Z"},
		{"@daily", "", "20260305T000000Z"},
		{"@midnight", "Asia/Shanghai", "20260304T160000Z"},
		{"@weekly", "", "20260308T000000Z"},
		{"@monthly", "", "20260401T000000Z"},
		{"@yearly", "", "20270101T000000Z"},
		{"@annually", "", "20270101T000000Z"},
		{"@every 15s", "Asia/Shanghai", "20260304T050615Z"},
		{"@every 1h30m", "", "20260304T060000Z"},
		{"@every 1s", "", "20260304T050608Z"},
	} {
		s, err := Parse(c.spec, c.zone)
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		if got := s.Next(at).Format("20060102T150405Z"); got != c.want {
			t.Errorf("%s in %q: next is %s, want %s", c.spec, c.zone, got, c.want)
		}
		if s.String() != strings.TrimSpace(c.spec) {
			t.Errorf("%q is written as %q", c.spec, s)
		}
		if zone := s.Zone(); zone != c.zone && (c.zone != "" || zone != "UTC") {
			t.Errorf("zone %q, want %q", zone, c.zone)
		}
	}
}

// FuzzParse holds that no text panics, and that what is accepted
// falls due again and again: later each time, in UTC, in whole seconds.
func FuzzParse(f *testing.F) {
	f.Add("0 2 * * *", "Europe/Berlin", int64(1774745999))
	f.Fuzz(func(t *testing.T, spec, zone string, unix int64) {
		s, err := Parse(spec, zone)
		if err != nil {
			if fault.Hint(err) == "" {
				t.Fatalf("%q: no hint", err)
			}
			return
		}
		from := time.Unix(unix%(1<<33), 0) // 1697 to 2242
		at := from
		for range 20 {
			next := s.Next(at)
			if !next.After(at) || next.Nanosecond() != 0 || next.Location() != time.UTC {
				t.Fatalf("%q in %q: %v is followed by %v", spec, zone, at, next)
			}
			at = next
		}
		if latest, ok := s.Latest(from, at); !ok || !latest.Equal(at) {
			t.Fatalf("%q in %q: the latest up to %v is %v", spec, zone, at, latest)
		}
		if s.Interval(from) <= 0 {
			t.Fatalf("%q in %q: no interval", spec, zone)
		}
	})
}
