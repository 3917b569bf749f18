package i18n

import (
	"maps"
	"slices"
	"testing"
	"time"

	"packseal.example/internal/fault"
)

// Every reason has its sentence in both languages, and nothing else has one.
func TestReasons(t *testing.T) {
	t.Parallel()
	want := fault.Reasons()
	slices.Sort(want)
	for name, got := range map[string]map[fault.Reason]string{"English": EnglishReasons(), "Chinese": ChineseReasons()} {
		if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, want) {
			t.Errorf("%s has sentences for %v, want %v", name, keys, want)
		}
		for r, text := range got {
			if text == "" {
				t.Errorf("%s: no sentence for %s", name, r)
			}
		}
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0 gaps", 1: "1 gap", 2: "2 gaps"} {
		if got := Count(n, "gap"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("UTC+8", 8*3600)
	for second, want := range map[int]string{0: "2026-03-02 02:00", 5: "2026-03-02 02:00:05"} {
		if got := Time(time.Date(2026, 3, 1, 18, 0, second, 0, time.UTC), zone); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
