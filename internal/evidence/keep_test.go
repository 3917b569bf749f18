package evidence

import (
	"testing"
	"time"
)

func TestKeep(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		days int
		due  string
		end  string
	}{
		"1d":   {1, "2026-02-28", "2026-03-01"},
		"90d":  {90, "2026-01-01", "2026-04-01"},
		"1y":   {366, "2028-02-29", "2029-03-01"},
		"3y":   {1096, "2025-03-31", "2028-03-31"},
		"5y":   {1827, "2023-05-01", "2028-05-01"},
		"10y":  {3653, "2020-01-01", "2030-01-01"},
		"100d": {100, "2026-01-01", "2026-04-11"},
	} {
		k, err := ParseKeep(text)
		due, _ := time.Parse(time.DateOnly, want.due)
		if end := k.End(due).Format(time.DateOnly); err != nil || k.String() != text || k.Days() != want.days || end != want.end {
			t.Errorf("%s: %v, %v, %d days, ends %s", text, k, err, k.Days(), end)
		}
		if k.End(due).After(due.AddDate(0, 0, k.Days())) {
			t.Errorf("%s has more than %d days", text, k.Days())
		}
	}
	for _, text := range []string{"", "3", "y", "0d", "-1y", "03y", "3m", "3Y", "1.5y", "10000d", "3y ", "3y1d", "36h"} {
		if k, err := ParseKeep(text); err == nil {
			t.Errorf("%q is %v", text, k)
		}
	}
	if (Keep{}).String() != "" {
		t.Error("for ever has a text")
	}
}
