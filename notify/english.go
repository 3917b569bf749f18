package notify

import (
	"fmt"
	"time"

	"packseal.example/internal/i18n"
)

func english() *words {
	return &words{
		prefix: "packseal: ", comma: ", ", counts: englishCounts, reasons: i18n.EnglishReasons(),
		gap: func(reason string) string { return "Gap: " + reason },
		heads: map[Kind]string{
			Overdue:      "Overdue: past its time limit, and no report is sealed.",
			Recovered:    "Recovered: a report is sealed again.",
			Findings:     "Verification found damage; packseal verify lists it.",
			ReloadFailed: "The new configuration was not loaded; the old one stays in force.",
		},
		cleared:  "Verification finds nothing any more.",
		findings: func(kind string, n int) string { return fmt.Sprintf("%s: %d", kind, n) },
		slots: func(pack string, n int, first, last string) string {
			if n == 1 {
				return fmt.Sprintf("%s, due %s", pack, first)
			}
			return fmt.Sprintf("%s, %d times, due %s to %s", pack, n, first, last)
		},
		detail:  func(text string) string { return "Detail: " + text },
		more:    func(n int) string { return fmt.Sprintf("… and %d more", n) },
		dropped: func(n int) string { return fmt.Sprintf("And %s too many to list.", count(n, "event")) },
		foot: func(instance, at, zone string) string {
			return fmt.Sprintf("%s, %s (times are %s)", instance, at, zone)
		},
		test: func(channel string) (string, string) {
			return "this is a test", fmt.Sprintf("A test of the channel %s. Nothing happened, and nothing is to be done.", channel)
		},
		digest: englishDigest,
		period: func(from, to string) string { return fmt.Sprintf("Slots due from %s to %s", from, to) },
	}
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func englishCounts(k Kind, packs int) string {
	switch k {
	case Findings:
		return "verification result changed"
	case ReloadFailed:
		return "configuration not loaded"
	}
	return fmt.Sprintf("%s: %s", count(packs, "pack"), k)
}

func englishDigest(d Digest, at func(time.Time) string) (title string, lines []string) {
	title = fmt.Sprintf("digest: %s sealed, %s", count(d.Sealed, "report"), count(len(d.Gaps), "gap"))
	if n := len(d.Overdue); n > 0 {
		title += fmt.Sprintf(", %d overdue", n)
	}
	verified := "Verification: never without findings"
	if !d.Verified.IsZero() {
		verified = "Verification: last without findings " + at(d.Verified)
	}
	lines = []string{
		fmt.Sprintf("Packs: %d", d.Packs), fmt.Sprintf("Sealed: %d", d.Sealed),
		fmt.Sprintf("Gaps: %d", len(d.Gaps)), fmt.Sprintf("Overdue now: %d", len(d.Overdue)), verified,
	}
	if !d.Next.IsZero() {
		lines = append(lines, "Next due: "+at(d.Next))
	}
	if d.Unread > 0 {
		lines = append(lines, fmt.Sprintf("Not counted, because the archive could not be read: %s", count(d.Unread, "pack")))
	}
	return title, lines
}
