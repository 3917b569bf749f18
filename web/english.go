package web

import (
	"fmt"
	"strings"

	"packseal.example/internal/i18n"
)

func english() *words {
	return &words{
		Tag: "en", Name: "English",
		Tagline: "Compliance reports, kept", Skip: "Skip to the content", Language: "Language", Packs: "Packs", All: "All packs",
		History: "History", Pack: "Pack", State: "State", LastSealed: "Last sealed", NextDue: "Next due",
		Sealed: "Sealed", Gaps: "Gaps", Report: "Latest report", Schedule: "Schedule", Due: "Due",
		Settled: "Settled", After: "ready %s after it fell due", NotReady: "packseal is not doing its work:",
		LastTry: "Last try:", Paused: "Paused since", Outcome: "What came of it", Never: "not yet",
		AsOf: "As of", Refreshes: "Shown afresh every 30 seconds.", Pause: "Pause", Resume: "Show it afresh every 30 seconds",
		Older: "Older", Newest: "Newest", Metrics: "Metrics", API: "JSON", NoSlots: "No slot is settled yet.",
		Incomplete: "The history could not be read to its end:",
		NotFound:   "There is no such pack.", Bad: "The address of this page holds a time that is none.",
		states: map[string]string{
			"sealed": "Sealed", "gap": "Gap", "working": "At work", "overdue": "Overdue", "waiting": "Not due yet",
		},
		unknown: "Unknown", reasons: i18n.EnglishReasons(),
		now: "now", relative: englishRelative, headline: englishHeadline, summary: englishSummary,
		some: func(shown, all int) string {
			return fmt.Sprintf("These are %d of %d packs, those that need a look first.", shown, all)
		},
	}
}

func englishRelative(n int, u unit, past bool) string {
	text := count(n, [...]string{"second", "minute", "hour", "day"}[u])
	if past {
		return text + " ago"
	}
	return "in " + text
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func englishHeadline(c counts, look []string) string {
	switch {
	case c.Packs == 0:
		return "No packs are configured."
	case c.Look > 0:
		names := "“" + strings.Join(look, "”, “") + "”" // names have commas of their own
		if more := c.Look - len(look); more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		verb := "need"
		if c.Look == 1 {
			verb = "needs"
		}
		return fmt.Sprintf("%d of %s %s a look: %s.", c.Look, count(c.Packs, "pack"), verb, names)
	case c.Sealed == 1 && c.Packs == 1:
		return "The pack has its latest report sealed."
	case c.Sealed == c.Packs:
		return fmt.Sprintf("All %d packs have their latest report sealed.", c.Packs)
	}
	parts := []string{fmt.Sprintf("%d of %s with the latest report sealed", c.Sealed, count(c.Packs, "pack"))}
	if c.Working > 0 {
		parts = append(parts, fmt.Sprintf("%d at work", c.Working))
	}
	if c.Waiting > 0 {
		parts = append(parts, fmt.Sprintf("%d not due yet", c.Waiting))
	}
	return "Nothing is missing: " + strings.Join(parts, ", ") + "."
}

func englishSummary(c counts) string {
	text := count(c.Reports, "report") + " sealed in all"
	switch c.Gaps {
	case 0:
		return text + ", no gap on record."
	case 1:
		return text + ", 1 gap on record."
	}
	return fmt.Sprintf("%s, %d gaps on record.", text, c.Gaps)
}
