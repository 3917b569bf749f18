package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/control"
	"packseal.example/internal/evidence"
	"packseal.example/internal/i18n"
	"packseal.example/internal/table"
)

func newStatus() *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "Ask the running daemon how it is doing", Args: noArgs,
		Long: `status asks the daemon that runs with this configuration on this machine: whether
it does its work, whether a changed file was rejected, how its packs are, which packs
exist and are not kept or can't be listed, what falls due next, which sinks are down,
what waits in the spool, what the last verification found, and what is paused. It exits
with 75 if the daemon is not ready, or not running. Of the file it needs state_dir
alone: the rest may have faults.`,
		Example: "  packseal status\n  packseal status --json | jq .packs",
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		daemon, err := reach(*path)
		if err != nil {
			return err
		}
		st, err := daemon.Status(c.Context())
		if err != nil {
			return unanswered(err, *path)
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), st)
		} else {
			err = printStatus(c.OutOrStdout(), st, time.Now())
		}
		if err == nil && !st.Ready {
			err = fmt.Errorf("%w: %w", errSilent, st.Trouble.Err())
		}
		return err
	}
	return c
}

// maxUnlisted is how many sources that can't be listed are named: accounts may be
// thousands.
const maxUnlisted = 5

// printStatus prints the status for a person.
func printStatus(w io.Writer, st control.Status, now time.Time) error {
	ready := "ready"
	if !st.Ready {
		ready = "not ready: " + st.Trouble.Message
	}
	t := table.New(w, "packseal "+st.Version, fmt.Sprintf("%s; running for %s, PID %d", ready, roughly(now.Sub(st.Started)), st.PID))
	row := func(what, format string, args ...any) { t.Row(what, fmt.Sprintf(format, args...)) } //nolint:errcheck // a few rows: Flush writes them
	if !st.Ready && st.Trouble.Hint != "" {
		row("hint", "%s", st.Trouble.Hint)
	}
	if st.Refused {
		row("configuration", "the file was rejected %s ago, and the old configuration is in force: %s", roughly(now.Sub(st.RefusedAt)), st.RefusedWhy)
		if st.RefusedHint != "" {
			row("hint", "%s", st.RefusedHint)
		}
	}
	row("packs", "%s", counted(st.Packs))
	if st.NotKept > 0 {
		row("not kept", "%s that exist: packseal packs lists them", i18n.Count(st.NotKept, "pack"))
	}
	for i, u := range st.Unlisted {
		if i == maxUnlisted {
			row("not listed", "%d more: packseal packs lists them", len(st.Unlisted)-i)
			break
		}
		row("not listed", "%s: %s", sourceName(control.SourcePacks{Source: u.Source, AccountName: u.AccountName}), u.Why)
	}
	if st.Next != nil {
		row("next", "%s, in %s: %s/%s %s", st.Next.Due.In(zoneOf(st.NextZone)).Format(localTime), roughly(st.Next.Due.Sub(now)), st.Next.Source, st.Next.Pack, st.NextName)
	}
	for _, d := range st.Down {
		row("sink", "%s has been down for %s: %s", d.Sink, roughly(now.Sub(d.Since)), d.Why)
	}
	spool := i18n.Count(st.Spooled, "report") + " waiting for a sink"
	if st.Full {
		spool += "; its disk is full"
	}
	row("spool", "%s", spool)
	row("verified", "%s", verified(st, now))
	if st.Ledger != nil {
		row("ledger", "%s", ledgerSummary(*st.Ledger, now))
	}
	for _, p := range foldPauses(st.Pauses) {
		row("paused", "%s %s, by %s: %s", p.name(), ago(p.Pause, now), p.By, p.Why)
	}
	return t.Flush()
}

// verified says what is known of verifications.
func verified(st control.Status, now time.Time) string {
	text := "last passed " + roughly(now.Sub(st.Verified)) + " ago"
	switch {
	case st.Verified.IsZero() && len(st.Problems) == 0:
		return "never"
	case st.Verified.IsZero():
		text = "has not passed yet"
	}
	if len(st.Problems) > 0 {
		text += "; problems: " + counted(st.Problems)
	}
	if st.Repaired > 0 {
		text += "; the last run repaired " + i18n.Count(st.Repaired, "object")
	}
	if !st.AllRead.IsZero() {
		text += "; every report was read in the last " + roughly(now.Sub(st.AllRead))
	}
	return text
}

// ledgerSummary says how the ledger is; packseal ledger status says more.
func ledgerSummary(l evidence.LedgerStatus, now time.Time) string {
	text := i18n.Count(int(l.Size), "record") + ", not followed to its end yet"
	if !l.Committed.IsZero() {
		text = i18n.Count(int(l.Size), "record") + ", followed to its end " + roughly(now.Sub(l.Committed)) + " ago"
	}
	if l.Owed > 0 {
		text += "; " + i18n.Count(l.Owed, "record") + " waiting"
	}
	problems := make(map[string]int)
	for _, p := range l.Problems {
		problems[p.Kind]++
	}
	if len(problems) > 0 {
		text += "; problems: " + counted(problems)
	}
	if l.Error != "" {
		text += "; " + l.Error
	}
	return text
}

// counted writes counts, in the order of their names.
func counted(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
