// Package i18n holds what the page and the notices have in common, in English
// and in Chinese: sentences for reasons, and the formats of counts and times.
package i18n

import (
	"fmt"
	"strings"
	"time"
)

// Count returns a number with its noun: "1 pack", "2 packs", "2 entries".
func Count(n int, noun string) string {
	if stem, ok := strings.CutSuffix(noun, "ry"); ok && n != 1 {
		noun = stem + "ries"
	} else if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// Time returns t in a time zone, to the minute, or to the second if it has
// seconds: "2026-11-24 02:00".
func Time(t time.Time, zone *time.Location) string {
	layout := "2006-01-02 15:04"
	if t.Second() != 0 {
		layout = "2006-01-02 15:04:05"
	}
	return t.In(zone).Format(layout)
}
