package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"packseal.example/archive"
	"packseal.example/config"
	"packseal.example/sink"
)

// reading is a verb that only reads the archive. It needs the sinks and nothing
// else: an auditor's machine has no credentials of a source, and no state. What
// goes wrong on the way is said on standard error in plain text, from errors
// up, so that a warning about one sink does not stand between the results.
func reading(c *cobra.Command, do func(ctx context.Context, h *house, args []string) error) *cobra.Command {
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := load(*path, c.ErrOrStderr())
		if err != nil {
			return err
		}
		h, err := build(c.Context(), cfg, prometheus.NewRegistry(), newLogger(config.Log{Level: "error", Format: "text"}, c.ErrOrStderr()), true)
		if err != nil {
			return err
		}
		return do(c.Context(), h, args)
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
	return reading(c, func(ctx context.Context, h *house, args []string) error {
		entries, err := h.choose(args)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		if !*asJSON {
			fmt.Fprintln(w, "STATE\tSLOT\tBYTES\tSHA-256 OR REASON")
		}
		for _, e := range entries {
			for r, err := range h.Records(ctx, e.Pack.Source, e.Pack.Key()) {
				switch {
				case err != nil:
					return err
				case *asJSON:
					err = printJSON(c.OutOrStdout(), r)
				case r.State == archive.Gapped:
					_, err = fmt.Fprintf(w, "gap\t%s\t\t%s\n", r.ID(), r.Reason)
				default:
					_, err = fmt.Fprintf(w, "sealed\t%s\t%d\t%s\n", r.ID(), r.Size, r.SHA256)
				}
				if err != nil {
					return err
				}
			}
		}
		return w.Flush()
	})
}

// newCat makes the verb that gives a report out, byte by byte as it was fetched.
// It checks nothing on the way, because a pipe can't take bytes back: verify
// is for that.
func newCat() *cobra.Command {
	c := &cobra.Command{
		Use: "cat SLOT", Short: "Write a sealed report to standard output",
		Long:    "cat writes the report of a slot, <source>/<pack>@<due> as list prints it, or\nwith --manifest the record that seals it.",
		Example: "  packseal cat prod/cp-fdc8626622af00f90000@20260101T180000Z > report.xls",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%w: cat takes one slot, as list prints it", errUsage)
			}
			return nil
		},
	}
	wantManifest := c.Flags().Bool("manifest", false, "write the manifest instead")
	return reading(c, func(ctx context.Context, h *house, args []string) error {
		at := strings.LastIndexByte(args[0], '@')
		source, pack, ok := strings.Cut(args[0][:max(at, 0)], "/")
		if !ok {
			return fmt.Errorf("%w: %q is not a slot like <source>/<pack>@<due>", errUsage, args[0])
		}
		for r, err := range h.Records(ctx, source, pack) {
			if err != nil {
				return err
			}
			if r.ID() == args[0] && r.State == archive.Sealed {
				key := r.Object
				if *wantManifest {
					key = key[:strings.LastIndexByte(key, '/')+1] + "manifest.json"
				}
				return h.copyOut(ctx, key, c.OutOrStdout())
			}
		}
		return fmt.Errorf("no sealed slot %s", args[0])
	})
}

// copyOut writes an object from the first sink that has it.
func (h *house) copyOut(ctx context.Context, key string, w io.Writer) error {
	var errs []error
	for _, t := range h.Sinks {
		r, err := t.Open(ctx, key)
		if err != nil {
			errs = append(errs, fmt.Errorf("reading from sink %s: %w", t.Name, err))
			continue
		}
		defer r.Close() //nolint:errcheck // read only
		_, err = io.Copy(w, r)
		return err
	}
	return errors.Join(append(errs, fmt.Errorf("reading %s: %w", key, sink.ErrNotExist))...)
}

// newVerify makes the verb that an auditor trusts. Its exit code tells damage
// (3) from not having been able to look (1, or 75 where that may pass). Its
// last result is kept for the daemon's metrics, where there is a state folder.
func newVerify() *cobra.Command {
	c := &cobra.Command{
		Use: "verify", Short: "Read everything back and compare it with its manifests", Args: noArgs,
		Long:    "verify reads every manifest and every report in every sink. Missing, altered and\norphaned objects are findings; it then ends with 3.",
		Example: "  packseal verify --config packseal.yaml --json",
	}
	asJSON := jsonFlag(c)
	return reading(c, func(ctx context.Context, h *house, _ []string) error {
		result, unread := h.Verify(ctx)
		if unread == nil {
			if err := saveVerified(h.cfg.StateDir, result); err != nil {
				fmt.Fprintf(c.ErrOrStderr(), "warning: the daemon's metrics will not show this run: %v\n", err)
			}
		}
		err := printVerified(c.OutOrStdout(), result, *asJSON)
		switch {
		case err != nil:
			return err
		case unread != nil && len(result.Findings) > 0: // damage is what somebody has to act upon
			return fmt.Errorf("%w; also %w", errDamaged, unread)
		case unread != nil:
			return unread
		case len(result.Findings) > 0:
			return errDamage
		}
		return nil
	})
}

// printVerified prints what a verification found, and how much it read.
func printVerified(w io.Writer, r archive.Result, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	for _, f := range r.Findings {
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Kind, f.Sink, f.Key, f.Detail); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d sealed, %d gaps, %d bytes read: %d findings\n", r.Sealed, r.Gaps, r.Bytes, len(r.Findings))
	return err
}

// newCheck makes the verb for editors and pipelines. It asks nobody: a good
// file is one that can be run, not one whose keys are valid.
func newCheck() *cobra.Command {
	c := &cobra.Command{
		Use: "check", Short: "Check a configuration file, offline", Args: noArgs,
		Example: "  packseal check --config packseal.yaml",
	}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load(*path, c.ErrOrStderr())
		if err == nil {
			fmt.Fprintf(c.OutOrStdout(), "%s: %d packs, %d sinks: good\n", *path, len(cfg.Entries()), len(cfg.Sinks))
		}
		return err
	}
	return c
}

// newNext makes the verb that shows what a schedule comes to, in UTC, which
// names the slot, and in the pack's own zone, in which people think.
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
