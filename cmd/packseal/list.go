package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/control"
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
			Seen: seen(cfg.StateDir, c.ErrOrStderr()),
		})
		if err != nil {
			return err
		}
		return do(c.Context(), cfg, a, args)
	}
	return c
}

// newList makes the verb that prints records. A daemon that runs with this
// configuration answers at once; otherwise each pack's records are read from the
// archive one by one as they are printed: a pack of many years takes no memory,
// and the first lines come at once.
func newList() *cobra.Command {
	c := &cobra.Command{
		Use: "list [PACK…]", Short: "List settled slots, the newest of each pack first",
		Long: `list prints the settled slots of the packs named (none named: of all). It asks
the daemon that runs with this configuration on this machine, if there is one and
it has read the pack's history; otherwise, or with --archive, it reads the
archive.`,
		Example: "  packseal list --config packseal.yaml\n  packseal list --json cp-fdc8626622af00f90000",
	}
	asJSON := jsonFlag(c)
	fromArchive := c.Flags().Bool("archive", false, "read the archive itself, also when a daemon runs")
	return reading(c, func(ctx context.Context, cfg *config.Config, a *archive.Archive, args []string) error {
		entries, err := choose(cfg, args)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		if !*asJSON {
			fmt.Fprintln(w, "STATE\tSLOT\tBYTES\tSHA-256 OR REASON")
		}
		var unread error
		for _, e := range entries {
			records := a.Records(ctx, e.Pack.Source, e.Pack.Key())
			if !*fromArchive {
				records = daemonOr(control.NewClient(cfg.StateDir).Records(ctx, catalog.Query{Source: e.Pack.Source, Pack: e.Pack.Key()}), records)
			}
			for r, err := range records {
				switch {
				case err == nil && *asJSON:
					err = printJSON(c.OutOrStdout(), r)
				case err == nil:
					err = printRecord(w, r)
				case r.State != "": // the others may be good
					printError(c.ErrOrStderr(), fmt.Errorf("%s: %w", r.ID(), err))
					unread, err = errors.Join(unread, err), nil
				}
				if err != nil {
					return err
				}
			}
		}
		if err := w.Flush(); err != nil || unread == nil {
			return err
		}
		return fmt.Errorf("%w: %w", errSilent, unread)
	})
}

// daemonOr yields what the daemon says, or, if it says nothing but an error, as
// when there is none, what the archive says.
func daemonOr(daemon, archive iter.Seq2[evidence.Record, error]) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		some := false
		for r, err := range daemon {
			if err != nil && r.Pack == "" && !some {
				archive(yield)
				return
			}
			if some = true; !yield(r, err) {
				return
			}
		}
	}
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
