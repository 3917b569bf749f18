package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/config"
)

// newNext makes the verb that shows when a schedule is due: in UTC, which names
// the slot, and in the pack's own zone, in which people think.
func newNext() *cobra.Command {
	c := &cobra.Command{
		Use: "next", Short: "Print when slots fall due next", Args: noArgs,
		Example: "  packseal next --config packseal.yaml -n 3",
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	n := c.Flags().IntP("count", "n", 1, "how many due times of each pack")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load(*path, c.ErrOrStderr())
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		if !*asJSON {
			fmt.Fprintln(w, "DUE\tIN ITS ZONE\tSTARTS\tPACK\tSCHEDULE")
		}
		for _, e := range cfg.Entries() {
			due := time.Now()
			for range *n {
				if due = e.Plan.Schedule.Next(due); due.IsZero() {
					break
				}
				if err := printNext(w, c.OutOrStdout(), e, due, *asJSON); err != nil {
					return err
				}
			}
		}
		return w.Flush()
	}
	return c
}

// printNext prints one due time.
func printNext(table, out io.Writer, e config.Entry, due time.Time, asJSON bool) error {
	zone, err := time.LoadLocation(e.TimeZone)
	if err != nil {
		return err
	}
	start := e.Plan.Start(due)
	if asJSON {
		return printJSON(out, map[string]any{
			"source": e.Pack.Source, "pack": e.Pack.Key(), "due": due, "start": start, "local": due.In(zone), "time_zone": e.TimeZone, "schedule": e.Schedule,
		})
	}
	_, err = fmt.Fprintf(table, "%s\t%s\t+%s\t%s/%s\t%s\n", due.Format(time.RFC3339), due.In(zone).Format("2006-01-02 15:04:05 MST"), start.Sub(due), e.Pack.Source, e.Pack.Key(), e.Schedule)
	return err
}
