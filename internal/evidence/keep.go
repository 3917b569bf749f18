package evidence

import (
	"regexp"
	"strconv"
	"time"

	"packseal.example/internal/fault"
)

// Keep is how long reports are kept, from when they fell due: days or years of the
// calendar, written "90d" or "3y". The zero Keep is for ever.
type Keep struct {
	n    int
	unit byte // 'd' or 'y'
}

var keepPattern = regexp.MustCompile(`^[1-9][0-9]{0,3}[dy]$`)

// ParseKeep reads "90d" or "3y".
func ParseKeep(text string) (Keep, error) {
	if !keepPattern.MatchString(text) {
		return Keep{}, fault.New(fault.Request, "%.40q is not a time to keep reports", text).WithHint("days or years, such as 90d or 3y")
	}
	n, err := strconv.Atoi(text[:len(text)-1])
	return Keep{n, text[len(text)-1]}, err
}

// String returns what ParseKeep reads; "" for ever.
func (k Keep) String() string {
	if k == (Keep{}) {
		return ""
	}
	return strconv.Itoa(k.n) + string(k.unit)
}

// End returns when a report that fell due then need not be kept any more. A year
// after 29 February ends on 1 March.
func (k Keep) End(due time.Time) time.Time {
	if k.unit == 'y' {
		return due.UTC().AddDate(k.n, 0, 0)
	}
	return due.UTC().AddDate(0, 0, k.n)
}

// Cutoff returns the latest due time of reports that need not be kept any more.
func (k Keep) Cutoff(now time.Time) time.Time {
	if k.unit == 'y' {
		return now.UTC().AddDate(-k.n, 0, 0)
	}
	return now.UTC().AddDate(0, 0, -k.n)
}

// Days returns how many days that is, leap days included.
func (k Keep) Days() int {
	if k.unit == 'y' {
		return k.n*365 + (k.n+3)/4
	}
	return k.n
}
