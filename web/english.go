package web

import (
	"fmt"
	"strings"

	"packseal.example/internal/fault"
)

func english() *words {
	return &words{
		Tag: "en", Name: "English",
		Tagline: "Compliance reports, kept", Skip: "Skip to the content", Language: "Language", Packs: "Packs", All: "All packs",
		History: "History", Pack: "Pack", State: "State", LastSealed: "Last sealed", NextDue: "Next due",
		Sealed: "Sealed", Gaps: "Gaps", Report: "Latest report", Schedule: "Schedule", Due: "Due",
		Settled: "Settled", After: "ready %s after it fell due", NotReady: "packseal is not doing its work:",
		LastTry: "Last try:", Outcome: "What came of it", Never: "not yet",
		AsOf: "As of", Refreshes: "Shown afresh every 30 seconds.", Pause: "Pause", Resume: "Show it afresh every 30 seconds",
		Older: "Older", Newest: "Newest", Metrics: "Metrics", API: "JSON", NoSlots: "No slot is settled yet.",
		Incomplete: "The history could not be read to its end:",
		NotFound:   "There is no such pack.", Bad: "The address of this page holds a time that is none.",
		states: map[string]string{
			"sealed": "Sealed", "gap": "Gap", "working": "At work", "overdue": "Overdue", "waiting": "Not due yet",
		},
		unknown: "Unknown", reasons: englishReasons(),
		now: "now", relative: englishRelative, headline: englishHeadline, summary: englishSummary,
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

// englishReasons says of each reason what happened, for a reader who knows
// neither the API nor packseal.
func englishReasons() map[fault.Reason]string {
	return map[fault.Reason]string{
		fault.Throttled:       "The service asked to slow down.",
		fault.Unavailable:     "The service could not be reached, or had a fault of its own.",
		fault.NotReady:        "The report was still being made.",
		fault.LinkExpired:     "The download link had expired.",
		fault.Damaged:         "What was downloaded was not a whole report.",
		fault.Busy:            "Somebody else was at work on the same report.",
		fault.SinkUnavailable: "The storage was down, slow, full or read-only.",
		fault.ClockSkew:       "This machine's clock is too far from the server's.",
		fault.Canceled:        "packseal was asked to stop.",
		fault.NotFound:        "There is no such pack, account group or account.",
		fault.Denied:          "The credentials are good, but a permission is missing.",
		fault.Credentials:     "The credentials are missing, wrong or no longer valid.",
		fault.Request:         "The service refused the request itself: a fault of packseal.",
		fault.LinkRefused:     "The download link was refused, or points where it must not.",
		fault.TooLarge:        "The report is over the configured maximum size.",
		fault.Conflict:        "The storage holds something else under this name.",
		fault.SinkDenied:      "The storage refused the credentials, the bucket or the way of writing.",
		fault.Internal:        "packseal met a fault of its own.",
		fault.Deadline:        "No new report was to be had before the time limit.",
		fault.Overlap:         "The pack's earlier report was still at work.",
		fault.Missed:          "packseal was not running when the report fell due.",
	}
}
