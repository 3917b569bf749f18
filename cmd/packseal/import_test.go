package main

import (
	"testing"

	"packseal.example/internal/fault"
)

// TestDateIn: a file's name tells a day only where there is no doubt.
func TestDateIn(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"2026-03-31 MLPS level 3 (cp-fdc8626622af00f90000).xls": "2026-03-31",
		"20260331.xls":           "2026-03-31",
		"等保三级_20260331_终版.xls":   "2026-03-31",
		"mlps-2026-03-31.xls.gz": "2026-03-31",
		"mlps-20260331-2.xls":    "",
		"2026-02-30.xls":         "",
		"r_202605020200.xls":     "",
		"20260301-20260331.xls":  "",
		"20260301_20260331.xls":  "",
		"2026-03-31 2026-03-31":  "",
		"report.xls":             "",
		"":                       "",
	} {
		got, err := dateIn(name)
		if got != want || (fault.Of(err) == fault.Request) != (want == "") {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
	}
}
