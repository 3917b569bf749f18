package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"packseal.example/archive"
	"packseal.example/config"
	"packseal.example/daemon"
	"packseal.example/internal/evidence"
)

// reading makes a verb that only reads the archive. It opens the sinks and
// nothing else: an auditor's machine has no credentials of a source and no
// state. Errors are logged to standard error as text; warnings about one sink
// are not, so that they do not stand between the results.
func reading(c *cobra.Command, do func(ctx context.Context, cfg *config.Config, a *archive.Archive, args []string) error) *cobra.Command {
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := load(*path, c.ErrOrStderr())
		if err != nil {
			return err
		}
		a, err := daemon.OpenArchive(c.Context(), cfg, daemon.ArchiveOptions{
			ReadOnly: true, Tool: tool(), Logger: newLogger(config.Log{Level: "error", Format: "text"}, c.ErrOrStderr()),
		})
		if err != nil {
			return err
		}
		return do(c.Context(), cfg, a, args)
	}
	return c
}

// newList makes the verb that prints the archive's records. They are read one
// by one as they are printed: a pack of many years takes no memory, and the
// first lines come at once.
func newList() *cobra.Command {
	c := &cobra.Command{
		Use: "list [PACK…]", Short: "List settled slots, the newest of each pack first",
		Example: "  packseal list --config packseal.yaml\n  packseal list --json cp-fdc8626622af00f90000",
	}
	asJSON := jsonFlag(c)
	return reading(c, func(ctx context.Context, cfg *config.Config, a *archive.Archive, args []string) error {
		entries, err := choose(cfg, args)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		if !*asJSON {
			fmt.Fprintln(w, "STATE\tSLOT\tBYTES\tSHA-256 OR REASON")
		}
		for _, e := range entries {
			for r, err := range a.Records(ctx, e.Pack.Source, e.Pack.Key()) {
				if err == nil && *asJSON {
					err = printJSON(c.OutOrStdout(), r)
				} else if err == nil {
					err = printRecord(w, r)
				}
				if err != nil {
					return err
				}
			}
		}
		return w.Flush()
	})
}

// printRecord prints a record as a row of the table.
func printRecord(w io.Writer, r evidence.Record) error {
	if r.State == evidence.Gapped {
		_, err := fmt.Fprintf(w, "gap\t%s\t\t%s\n", r.ID(), r.Reason)
		return err
	}
	_, err := fmt.Fprintf(w, "sealed\t%s\t%d\t%s\n", r.ID(), r.Size, r.SHA256)
	return err
}
