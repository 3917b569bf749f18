package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones work on machines and in images that have no zone files

	"github.com/robfig/cron/v3"

	"packseal.example/internal/fault"
	"packseal.example/internal/units"
)

// maxSpec bounds what is handed to the parser: no honest schedule is longer.
const maxSpec = 256

// Parse reads a schedule in the zone of that name:
//
//   - five fields, as crontab(5) has them: minute, hour, day of month, month,
//     day of week. Names (JAN, MON) and steps (*/15) are understood.
//   - six fields: the same after a field of seconds.
//   - @hourly, @daily (@midnight), @weekly, @monthly, @yearly (@annually).
//   - @every 90s: every so many whole seconds, counted from 1970-01-01 00:00
//     UTC, so that each replica and each restart finds the same due times.
//
// When day of month and day of week are both restricted, a day that matches
// either of them is due, as cron has always had it: "0 2 1 * MON" is the first
// of the month and also every Monday.
//
// The zone is a name of the IANA database; "" is UTC. "Local" is refused,
// because due times must not follow from the machine that computes them.
//
// Errors are classified as fault.Request and carry a hint.
func Parse(spec, zone string) (Schedule, error) {
	spec = strings.TrimSpace(spec)
	loc, err := location(zone)
	if err != nil {
		return Schedule{}, err
	}
	if err := plausible(spec); err != nil {
		return Schedule{}, err
	}
	s := Schedule{text: spec, loc: loc}
	if rest, ok := strings.CutPrefix(spec, "@every"); ok {
		s.every, err = parseEvery(rest)
		return s.orZero(err)
	}
	s.cron, err = parseCron(spec)
	if err != nil {
		return s.orZero(fault.New(fault.Request, "schedule %q: %w", spec, err).
			WithHint(`five fields, minute first ("0 2 * * *" is 02:00 each day), six with seconds first, @daily and its like, or "@every 15m"`))
	}
	if s.nextLocal(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return s.orZero(fault.New(fault.Request, "schedule %q never falls due", spec).
			WithHint("none of its months has such a day of the month"))
	}
	return s, nil
}

// orZero keeps a half-made schedule from leaving with an error.
func (s Schedule) orZero(err error) (Schedule, error) {
	if err != nil {
		return Schedule{}, err
	}
	return s, nil
}

// location finds the zone without ever asking what the machine's own is.
func location(zone string) (*time.Location, error) {
	const hint = "use a name of the IANA database, such as Asia/Shanghai or UTC"
	if strings.EqualFold(zone, "local") || strings.EqualFold(zone, "localtime") {
		return nil, fault.New(fault.Request, "time zone %q is another one on each machine", zone).WithHint(hint)
	}
	if len(zone) > maxSpec {
		return nil, fault.New(fault.Request, "time zone of %d bytes", len(zone)).WithHint(hint)
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fault.New(fault.Request, "unknown time zone %q", zone).WithHint(hint)
	}
	return loc, nil
}

// plausible refuses what the parser would choke on or read in a way of its own.
func plausible(spec string) error {
	switch {
	case spec == "":
		return fault.New(fault.Request, "empty schedule").WithHint(`"0 2 * * *" is 02:00 each day`)
	case len(spec) > maxSpec:
		return fault.New(fault.Request, "schedule of %d bytes, of %d at most", len(spec), maxSpec).
			WithHint("lists can often be written as ranges and steps: 0-30/5")
	case strings.HasPrefix(spec, "TZ=") || strings.HasPrefix(spec, "CRON_TZ="):
		// Without fields after it, this makes the parser panic.
		return fault.New(fault.Request, "schedule %q names a time zone", spec).
			WithHint("set time_zone instead")
	}
	return nil
}

// parseEvery reads what follows "@every".
func parseEvery(text string) (time.Duration, error) {
	d, err := units.ParseDuration(strings.TrimSpace(text))
	if err != nil {
		return 0, fault.New(fault.Request, "schedule @every%s: not a duration", text).
			WithHint(`such as "@every 90s", "@every 1h30m" or "@every 7d"`)
	}
	if d < time.Second || d%time.Second != 0 {
		return 0, fault.New(fault.Request, "schedule @every%s: not a whole number of seconds from 1s up", text).
			WithHint("due times are whole seconds")
	}
	return d, nil
}

// parseCron reads fields or a descriptor. The checks before it leave nothing
// known that panics the parser; recover is for what is not known.
func parseCron(spec string) (c *cron.SpecSchedule, err error) {
	defer func() {
		if p := recover(); p != nil {
			c, err = nil, fmt.Errorf("not understood: %v", p)
		}
	}()
	parser := cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	parsed, err := parser.Parse(spec)
	if err != nil {
		return nil, err
	}
	c, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, errors.New("not a schedule of fields")
	}
	c.Location = time.UTC // it computes on bare wall-clock times; see nextLocal
	return c, nil
}
