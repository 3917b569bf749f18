package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive/retention"
	"packseal.example/config"
	"packseal.example/daemon"
	"packseal.example/internal/i18n"
	"packseal.example/internal/table"
)

// newPrune makes the verb that removes old reports.
func newPrune() *cobra.Command {
	c := &cobra.Command{
		Use: "prune", Short: "Remove reports that are older than retention.keep", Args: noArgs,
		Long: `prune shows which reports fell due longer ago than retention.keep, and removes nothing;
with --yes it removes them from every sink. Their manifests stay, and so do gap
records, plans, the ledger, the newest report of each pack, and what a sink keeps
locked or under legal hold.

It needs a ledger, which says that a report was removed before it is. It removes
nothing if a sink does not answer, or if more is to go than the schedule explains, as
after the clock has jumped or keep was made shorter: then --expect says how many
reports are to go, all or none. The next run completes one that was interrupted.

It is safe beside a running daemon of the same state_dir. Give it credentials of its
own (docs/retention.md): those of the daemon should not be able to delete.`,
		Example: `  packseal prune
  packseal prune --json | jq '.reports | length'
  packseal prune --yes
  packseal prune --yes --expect 1095`,
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	yes := c.Flags().Bool("yes", false, "remove them")
	expect := c.Flags().Int("expect", 0, "how many reports are to go, where that is more than usual")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *expect < 0 || *expect > 0 && !*yes {
			return fmt.Errorf("%w: --expect takes a number of reports, beside --yes", errUsage)
		}
		cfg, err := load(*path, c.ErrOrStderr())
		if err == nil {
			err = refuseRoot(cfg)
		}
		if err != nil {
			return err
		}
		p, err := daemon.OpenPruner(c.Context(), cfg, daemon.ArchiveOptions{Tool: tool(), Logger: newLogger(config.Log{Level: "warn", Format: "text"}, c.ErrOrStderr())})
		if err != nil {
			return err
		}
		return prune(c.Context(), c.OutOrStdout(), p, *yes, *expect, *asJSON)
	}
	return c
}

// prune prints what is to be removed, or was.
func prune(ctx context.Context, w io.Writer, p *retention.Pruner, yes bool, expect int, asJSON bool) error {
	var r retention.Result
	var failed error
	if yes {
		r, failed = p.Prune(ctx, expect)
	} else {
		r.Plan, failed = p.Plan(ctx)
	}
	if r.Keep == "" { // it did not come to a plan
		return failed
	}
	var err error
	switch {
	case asJSON && yes:
		err = printJSON(w, r)
	case asJSON:
		err = printJSON(w, r.Plan)
	default:
		err = printPruned(w, r, yes)
	}
	if failed != nil {
		return failed
	}
	return err
}

// printPruned prints a row for each report, and what comes of them.
func printPruned(w io.Writer, r retention.Result, yes bool) error {
	if len(r.Reports)+len(r.Kept) > 0 {
		t := table.New(w, "", "SLOT", "BYTES", "SINKS, OR WHY IT STAYS")
		verdict := map[bool]string{false: "old", true: "pruned"}[yes && r.Removed == len(r.Reports)]
		for _, report := range r.Reports {
			t.Row(verdict, report.ID(), fmt.Sprint(report.Size), strings.Join(report.Sinks, ", "))
		}
		for _, kept := range r.Kept {
			why := kept.Why
			if kept.Sink != "" {
				why = kept.Sink + ": " + why
			}
			t.Row("kept", kept.ID(), "", why)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	what := fmt.Sprintf("%s that %s can go; --yes removes them", i18n.Count(len(r.Reports), "report"), before(r))
	switch {
	case yes:
		what = fmt.Sprintf("removed: %s that %s, %d bytes", i18n.Count(r.Removed, "report"), before(r), r.Bytes)
	case len(r.Reports) == 0:
		what = fmt.Sprintf("no report that %s can go", before(r))
	case r.Unexplained > 0:
		what = fmt.Sprintf("%s that %s can go, of which the schedule does not explain %d; --yes --expect %d removes them",
			i18n.Count(len(r.Reports), "report"), before(r), r.Unexplained, len(r.Reports))
	}
	_, err := fmt.Fprintln(w, what)
	return err
}

// before says which reports are old enough.
func before(r retention.Result) string {
	return "fell due by " + r.Before.UTC().Format(time.RFC3339) + " (keep: " + r.Keep + ")"
}
