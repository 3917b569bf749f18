package web

import (
	"fmt"
	"strings"

	"packseal.example/internal/evidence"
	"packseal.example/internal/i18n"
)

func english() *locale {
	return &locale{
		Tag: "en", Name: "English",
		Tagline: "Compliance report archive", Skip: "Skip to content", Language: "Language", Packs: "Packs", All: "All packs",
		History: "History", Pack: "Pack", State: "State", LastSealed: "Last sealed", NextDue: "Next due", EndedOn: "ended on", Sinks: "Sinks",
		Sealed: "Sealed", Gaps: "Gaps", Report: "Latest report", Schedule: "Schedule", Due: "Due",
		Settled: "Recorded", After: "fetched %s after it was due", Imported: "imported by %s", NotReady: "packseal is not ready:",
		LastTry: "Last attempt:", Paused: "Paused since", Until: "until", Labels: "Labels", Outcome: "Result", Never: "none yet", Reading: "reading history",
		AsOf: "As of", Refreshes: "Refreshes every 30 seconds.", Pause: "Pause", Resume: "Refresh every 30 seconds",
		Older: "Older", Newest: "Newest", Metrics: "Metrics", API: "JSON", NoSlots: "No slots have been recorded yet.",
		Incomplete:   "The history could not be read completely:",
		StillReading: "The history is still being read. Older slots are missing from this page.",
		AckedBy:      "Acknowledged by", AckedUntil: "until",
		Pruned: "Sealed, report pruned after its retention",
		Ledger: "Ledger, to be noted elsewhere:", Statement: "Statement of this month", NoStatement: "There is no statement.", LedgerError: "The ledger could not be appended to:",
		LedgerProblem: "Ledger problem:", Stamped: "Time-stamped last:", Cosigned: "Cosigned last:",
		NotFound: "Pack not found.", Bad: "The address of this page contains an invalid time.",
		states: map[string]string{
			StateSealed: "Sealed", StateGap: "Gap", StateWorking: "In progress", StateOverdue: "Overdue",
			StateWaiting: "Not due yet", StateReading: "Reading history", StateEnded: "Ended", StateDisabled: "Disabled",
		},
		unknown: "Unknown", reasons: i18n.EnglishReasons(),
		kinds: map[string]string{
			evidence.Rules: "All rules", evidence.AggregateRules: "All rules of the account group",
			evidence.Inventory: "Resource inventory", evidence.AggregateInventory: "Resource inventory of the account group",
		},
		join: func(sentences []string) string { return strings.Join(sentences, " ") },
		now:  "now", relative: englishRelative, headline: englishHeadline, summary: englishSummary,
		some: func(shown, all int) string {
			return fmt.Sprintf("Showing %d of %d packs, those that need attention first.", shown, all)
		},
		notReady: "packseal is not ready.", spoolFull: "The spool’s disk is full.",
		sinksDown: englishSinksDown, sourcesPaused: englishSourcesPaused,
		sinkDown:     func(name string) string { return "The sink “" + name + "” has been down since" },
		sourcePaused: func(name string) string { return "The source “" + name + "” has been paused since" },
		spoolLeft: func(free string, reports int) string {
			return fmt.Sprintf("The spool’s disk has %s left; %s in the spool.", free, i18n.Count(reports, "report"))
		},
		problems:     func(n int) string { return fmt.Sprintf("Verification found %s.", i18n.Count(n, "problem")) },
		ledgerForked: "The ledger was rolled back or forked.", ledgerTampered: "Somebody without the key wrote into the ledger.",
		ledgerDiffers: func(n int) string { return fmt.Sprintf("Archive and ledger disagree on %s.", i18n.Count(n, "record")) },
		ledgerStalled: func(n int) string {
			return fmt.Sprintf("The ledger could not be appended to: it lacks %s.", i18n.Count(n, "record"))
		},
		stale:       func(days int) string { return fmt.Sprintf("No verification has passed for %d days.", days) },
		packsPaused: func(n int) string { return englishArePaused(n, "pack") + "." },
		notKept: func(n int) string {
			if n == 1 {
				return "1 pack exists and is not kept."
			}
			return fmt.Sprintf("%d packs exist and are not kept.", n)
		},
		notListed:    func(sources []string) string { return "Packs could not be listed: " + englishNames(sources) + "." },
		refused:      "The changed configuration was rejected.",
		refusedSince: "The configuration from before is in force. The changed one was rejected",
		sourceNotListed: func(source string, ever bool) string {
			if !ever {
				return "Not all packs of the source “" + source + "” have ever been listed:"
			}
			return "Not all packs of the source “" + source + "” were listed since"
		},
		sourceNotKept: func(source string, n int) string {
			return fmt.Sprintf("Neither packs nor a rule of the source “%s” names %s:", source, i18n.Count(n, "pack"))
		},
		names: englishSome,
		reached: func(when string) string {
			if when == "" {
				return "Not every sink has answered yet."
			}
			return "The sinks last answered " + when + "."
		},
		verified: englishVerified,
	}
}

func englishRelative(n int, u unit, past bool) string {
	text := i18n.Count(n, [...]string{"second", "minute", "hour", "day"}[u])
	if past {
		return text + " ago"
	}
	return "in " + text
}

func englishHeadline(t totals, attention []string) string {
	switch {
	case t.Packs == 0:
		return "No packs are configured."
	case t.Attention > 0:
		names := englishNames(attention)
		if more := t.Attention - len(attention); more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		verb := "need"
		if t.Attention == 1 {
			verb = "needs"
		}
		return fmt.Sprintf("%d of %s %s attention: %s.", t.Attention, i18n.Count(t.Packs, "pack"), verb, names)
	case t.Reading > 0:
		return fmt.Sprintf("Reading the history of %d of %s.", t.Reading, i18n.Count(t.Packs, "pack"))
	case t.Sealed == 1 && t.Packs == 1 && t.Doubt:
		return "The pack’s latest known report was sealed."
	case t.Sealed == 1 && t.Packs == 1:
		return "The pack’s latest report is sealed."
	case t.Sealed == t.Packs && t.Doubt:
		return fmt.Sprintf("The latest known reports of all %d packs were sealed.", t.Packs)
	case t.Sealed == t.Packs:
		return fmt.Sprintf("The latest reports of all %d packs are sealed.", t.Packs)
	}
	parts := []string{fmt.Sprintf("%d sealed", t.Sealed)}
	if t.Working > 0 {
		parts = append(parts, fmt.Sprintf("%d in progress", t.Working))
	}
	if t.Waiting > 0 {
		parts = append(parts, fmt.Sprintf("%d not due yet", t.Waiting))
	}
	if t.Ended > 0 {
		parts = append(parts, fmt.Sprintf("%d ended", t.Ended))
	}
	if t.Disabled > 0 {
		parts = append(parts, fmt.Sprintf("%d disabled", t.Disabled))
	}
	lead := "No pack needs attention."
	if t.Failing > 0 {
		lead = fmt.Sprintf("The last attempt failed for %s.", i18n.Count(t.Failing, "pack"))
	}
	return fmt.Sprintf("%s Of %s: %s.", lead, i18n.Count(t.Packs, "pack"), strings.Join(parts, ", "))
}

func englishSummary(t totals) string {
	if t.Incomplete > 0 {
		return fmt.Sprintf("The history of %s is still being read.", i18n.Count(t.Incomplete, "pack"))
	}
	gaps := "no gaps"
	if t.Gaps > 0 {
		gaps = i18n.Count(t.Gaps, "gap")
	}
	return fmt.Sprintf("%s sealed in total, %s recorded.", i18n.Count(t.Reports, "report"), gaps)
}

// englishNames quotes names, which may contain commas.
func englishNames(names []string) string {
	some := names[:min(len(names), maxNames)]
	return englishSome([]string{"“" + strings.Join(some, "”, “") + "”"}, 1+len(names)-len(some))
}

// englishSome lists the first of several.
func englishSome(some []string, all int) string {
	text := strings.Join(some, ", ")
	if more := all - len(some); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func englishSinksDown(names []string, all int) string {
	if all == 1 {
		return "The sink cannot be used: " + englishNames(names) + "."
	}
	return fmt.Sprintf("%d of %d sinks cannot be used: %s.", len(names), all, englishNames(names))
}

func englishSourcesPaused(names []string) string {
	return englishArePaused(len(names), "source") + ": " + englishNames(names) + "."
}

func englishArePaused(n int, what string) string {
	verb := " are paused"
	if n == 1 {
		verb = " is paused"
	}
	return i18n.Count(n, what) + verb
}

func englishVerified(when string, problems int) string {
	switch {
	case when == "" && problems == 0:
		return "Never verified."
	case when == "":
		return "No verification has passed yet."
	}
	return "Verification last passed " + when + "."
}
