package i18n

import (
	"maps"
	"slices"
	"testing"

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
