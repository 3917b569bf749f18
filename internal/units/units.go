// Package units reads durations and sizes as people write them, and writes them in
// the same way.
//
// A day has 24 hours, a week 7 days and a year 365 days: they are lengths of time,
// not places in a calendar.
package units

import (
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What the units beyond hours stand for.
const (
	Day  = 24 * time.Hour
	Week = 7 * Day
	Year = 365 * Day
)

// DurationHint and SizeHint are examples of what is read.
const (
	DurationHint = "a number with its unit: 0s, 90s, 10m, 1h30m, 7d, 2w, 1y"
	SizeHint     = "a number of bytes, or one with its unit: 512KiB, 64MiB, 1GB"
)

// durationPart matches a number and its unit.
var durationPart = regexp.MustCompile(`^([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|[smhdwy])`)

// ParseDuration is [time.ParseDuration] that knows d, w and y too: 7d, 1d12h, 1.5y.
// The parts are added up. A number without a unit is an error unless it is 0.
func ParseDuration(text string) (sum time.Duration, err error) {
	bad := fmt.Errorf("%.40q is not a duration", text)
	rest := strings.TrimPrefix(strings.TrimPrefix(text, "+"), "-")
	if len(text)-len(rest) > 1 || rest == "" {
		return 0, bad
	}
	for rest != "" && rest != "0" {
		m := durationPart.FindStringSubmatch(rest)
		if m == nil {
			return 0, bad
		}
		rest = rest[len(m[0]):]
		part, err := parsePart(m[1], m[2])
		switch {
		case rest == "0":
			return 0, bad
		case err != nil || part > math.MaxInt64-sum: // the number is one
			return 0, fmt.Errorf("%.40q is too long a time, the limit is %dy", text, math.MaxInt64/Year)
		}
		sum += part
	}
	if text[0] == '-' {
		sum = -sum
	}
	return sum, nil
}

// parsePart reads a number of one unit.
func parsePart(number, unit string) (time.Duration, error) {
	long, ok := map[string]time.Duration{"d": Day, "w": Week, "y": Year}[unit]
	if !ok {
		return time.ParseDuration(number + unit)
	}
	hours, err := time.ParseDuration(number + "h")
	if times := long / time.Hour; err == nil && hours <= math.MaxInt64/times {
		return hours * times, nil
	}
	return 0, strconv.ErrRange
}

// FormatDuration writes a duration as [ParseDuration] reads it, without units that
// are zero: 90m is 1h30m, 36h is 1d12h. Whole weeks and whole years are written as
// such; any other number of days as days.
func FormatDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d == math.MinInt64:
		return d.String() // it has no positive counterpart
	case d < 0:
		return "-" + FormatDuration(-d)
	case d%Year == 0:
		return fmt.Sprintf("%dy", d/Year)
	case d%Week == 0:
		return fmt.Sprintf("%dw", d/Week)
	}
	var b strings.Builder
	for _, u := range []struct {
		name string
		of   time.Duration
	}{{"d", Day}, {"h", time.Hour}, {"m", time.Minute}} {
		if n := d / u.of; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d %= u.of
		}
	}
	if d > 0 {
		b.WriteString(d.String())
	}
	return b.String()
}

// Duration is a duration as a flag takes it; see pflag's Value.
type Duration time.Duration

// String implements pflag's Value.
func (d *Duration) String() string { return FormatDuration(time.Duration(*d)) }

// Set implements pflag's Value.
func (d *Duration) Set(text string) error {
	v, err := ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%w (%s)", err, DurationHint)
	}
	*d = Duration(v)
	return nil
}

// Type implements pflag's Value.
func (*Duration) Type() string { return "duration" }

// Size is a number of bytes.
type Size int64

// sizeUnits are the units of sizes: of 1024 with an i, of 1000 without.
var sizeUnits = map[string]Size{
	"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// sizeText matches a size: a number, perhaps a space, a unit.
var sizeText = regexp.MustCompile(`^([0-9]+)(?:\.([0-9]{1,9}))? ?([A-Za-z]*)$`)

// ParseSize reads a size: 67108864, 64MiB, 1.5 GB. Units are KB, MB, GB and TB of
// 1000, and KiB, MiB, GiB and TiB of 1024; their case does not matter. A size must be
// a whole number of bytes.
func ParseSize(text string) (Size, error) {
	bad := fmt.Errorf("%.40q is not a size", text)
	m := sizeText.FindStringSubmatch(text)
	if m == nil {
		return 0, bad
	}
	unit, ok := sizeUnits[strings.ToLower(m[3])]
	n, err := strconv.ParseInt(m[1], 10, 64)
	if !ok || err != nil || n > math.MaxInt64/int64(unit) {
		return 0, bad
	}
	size, scale := Size(n)*unit, uint64(1)
	fraction, _ := strconv.ParseUint("0"+m[2], 10, 64)
	for range m[2] {
		scale *= 10
	}
	high, low := bits.Mul64(fraction, uint64(unit))
	part, rest := bits.Div64(high, low, scale)
	if rest != 0 || uint64(size)+part > math.MaxInt64 {
		return 0, bad
	}
	return size + Size(part), nil
}

// String writes a size as [ParseSize] reads it: in the largest unit that it is a whole
// number of, of 1024 or, where that fits better, of 1000.
func (s Size) String() string {
	best, name := Size(1), "B"
	for _, u := range []string{"KB", "KiB", "MB", "MiB", "GB", "GiB", "TB", "TiB"} {
		if of := sizeUnits[strings.ToLower(u)]; s != 0 && s%of == 0 && of > best {
			best, name = of, u
		}
	}
	return fmt.Sprintf("%d%s", int64(s/best), name)
}

// ParseShare reads a share in (0, 1], as "5%" or "0.05"; empty is 0, for none given.
func ParseShare(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	digits, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(digits, 64)
	if percent {
		n /= 100
	}
	if err != nil || !(n > 0 && n <= 1) {
		return 0, fmt.Errorf("%.40q is not a share such as 5%%", text)
	}
	return n, nil
}
