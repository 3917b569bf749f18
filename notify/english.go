package notify

import (
	"fmt"
	"time"

	"packseal.example/internal/i18n"
)

func english() *messages {
	return &messages{
		prefix: "packseal: ", comma: ", ", counts: englishCounts, reasons: i18n.EnglishReasons(),
		gap:     func(reason string) string { return "Gap: " + reason },
		blocked: func(reason string) string { return "Blocked until somebody acts: " + reason },
		notListed: func(reason string) string {
			return "Packs can't be listed until somebody acts, so new ones are not noticed: " + reason
		},
		until: func(at string) string { return "Tried again until " + at + ", then recorded as a gap" },
		todo:  func(hint string) string { return "What to do: " + hint },
		heads: map[Kind]string{
			Overdue:      "Overdue: the time limit has passed, and the report is not sealed.",
			Recovered:    "Recovered: the latest report is sealed.",
			Problems:     "Verification found problems, or the ledger has some. Run packseal verify and packseal ledger status to list them.",
			NewContainer: "The report is in a different file format from the one before. It is sealed; check that it is what you expect.",
			NotKept:      "Found, and not kept: neither packs nor a rule of discover names it. Add it, or exclude it with keep: false.",
			Found:        "Found, and kept from its next slot on.",
			Gone:         "Gone: it does not exist any more. What was sealed stays.",
			ReloadFailed: "The new configuration was not loaded. The previous one remains in effect.",
		},
		cleared:  "Verification no longer finds any problems.",
		problems: englishProblems,
		slots: func(pack string, n int, first, last string) string {
			if n == 1 {
				return fmt.Sprintf("%s, due %s", pack, first)
			}
			return fmt.Sprintf("%s, %d slots, due %s to %s", pack, n, first, last)
		},
		detail:  func(text string) string { return "Detail: " + text },
		more:    func(n int) string { return fmt.Sprintf("… and %d more", n) },
		dropped: func(n int) string { return fmt.Sprintf("%s more not listed.", i18n.Count(n, "event")) },
		foot: func(instance, at, zone string) string {
			return fmt.Sprintf("%s, %s (times in %s)", instance, at, zone)
		},
		test: func(channel string) (string, string) {
			return "this is a test", fmt.Sprintf("This is a test of the channel %s. No action is needed.", channel)
		},
		digest: englishDigest, overview: "All packs", runbook: "Runbook",
		period: func(from, to string) string { return fmt.Sprintf("Slots due from %s to %s", from, to) },
	}
}

func englishCounts(k Kind, packs int) string {
	n := i18n.Count(packs, "pack")
	switch k {
	case Gap:
		return "gaps in " + n
	case Problems:
		return "verification result changed"
	case NewContainer:
		return "new file format in " + n
	case ReloadFailed:
		return "configuration not loaded"
	case NotKept:
		return n + " not kept"
	case NotListed:
		return i18n.Count(packs, "source") + " not listed"
	}
	return fmt.Sprintf("%s %s", n, k)
}

func englishDigest(d Digest, at func(time.Time) string) (title string, lines []string) {
	title = fmt.Sprintf("digest: %s sealed, %s", i18n.Count(d.Sealed, "report"), i18n.Count(len(d.Gaps), "gap"))
	if n := len(d.Overdue); n > 0 {
		title += fmt.Sprintf(", %d overdue", n)
	}
	verified := "Verification: has never passed"
	if !d.Verified.IsZero() {
		verified = "Verification: last passed " + at(d.Verified)
	}
	lines = []string{
		fmt.Sprintf("Packs: %d", d.Packs), fmt.Sprintf("Sealed: %d", d.Sealed),
		fmt.Sprintf("Gaps: %d", len(d.Gaps)), fmt.Sprintf("Overdue now: %d", len(d.Overdue)), verified,
	}
	if !d.Next.IsZero() {
		lines = append(lines, "Next due: "+at(d.Next))
	}
	if d.Unread > 0 {
		lines = append(lines, fmt.Sprintf("Not counted, because the archive could not be read: %s", i18n.Count(d.Unread, "pack")))
	}
	if d.Ledger != "" {
		lines = append(lines, d.Ledger)
	}
	return title, lines
}

// englishProblems names the kinds of problems, and says of those what they are whose
// names do not.
func englishProblems(kind string, n int) string {
	is := map[string]string{
		"absent":     " (due, and no record was found: never made, or removed)",
		"vanished":   " (recorded before, and in no storage any more)",
		"divergent":  " (the storages have different records)",
		"unmirrored": " (in one storage, and not in another)",
		"orphaned":   " (files that no record names)",
		"newer":      " (records of a newer packseal)",
		"unlocked":   " (the storage does not lock them as configured)",
		"lock_short": " (their lock is weaker or shorter than configured)",

		"unlogged":     " (records that the ledger has no entry of)",
		"unarchived":   " (records that the ledger has, and no storage any more)",
		"forked":       " (two histories of the ledger)",
		"rolled_back":  " (the ledger is shorter than it was)",
		"void":         " (written into the ledger without its key)",
		"unslated":     " (times of which the ledger does not say what falls due)",
		"clock_offset": " (this machine’s clock is off)",
	}[kind]
	return fmt.Sprintf("%s%s: %d", kind, is, n)
}
