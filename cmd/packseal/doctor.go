package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/config"
	"packseal.example/doctor"
	"packseal.example/internal/diag"
)

func newDoctor() *cobra.Command {
	c := &cobra.Command{
		Use: "doctor [PACK…]", Short: "Try everything live: clock, credentials, permissions, links, sinks, page, notices",
		Long: `doctor tries what the daemon will do, in order, for the packs named (none named:
for all), and prints a line for each check: ✓ good, ✗ bad, with a hint, or – not
checked, and why. It is safe beside a running daemon.

It asks the API once about each pack, as fast as requests_per_second allows, and
fetches the first bytes of the report that stands there. It has none made:
whether that is permitted, only a real request tells, and --generate PACK makes
one.

It tells no channel of notices anything, unless --notices has it send each of
them a test message.

In each sink it keeps one small object, packseal-doctor/probe….txt, the same at
each run, which says of itself that it is no evidence; verify leaves it alone,
and it may be deleted. With object_lock it is locked as reports are, one for
each lock that was ever configured.

It ends with 0 when nothing is bad, 1 when something is, and 75 when all that is
bad may pass by itself. With --json, ok is null for what was not checked.`,
		Example: "  packseal doctor --config packseal.yaml\n  packseal doctor --json cp-fdc8626622af00f90000\n  packseal doctor --generate cp-fdc8626622af00f90000",
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	generate := c.Flags().StringArray("generate", nil, "have a new report of this pack made, to see that it is permitted (repeatable)")
	o := doctor.Options{Tool: tool(), Instance: instance()}
	c.Flags().BoolVar(&o.Notices, "notices", false, "send a test message to each channel of notices, to see that it gets through")
	c.Flags().DurationVar(&o.Timeout, "timeout", 30*time.Second, "the time that one check may take")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if o.Timeout <= 0 {
			return fmt.Errorf("%w: --timeout %s leaves no time", errUsage, o.Timeout)
		}
		o.Path = *path
		if o.Config, err = load(*path, c.ErrOrStderr()); err != nil {
			return err
		}
		if o.Packs, err = choose(o.Config, args); err != nil {
			return err
		}
		if len(*generate) > 0 {
			if o.Generate, err = choose(o.Config, *generate); err != nil {
				return err
			}
		}
		return examine(c.Context(), o, func(r diag.Result) error {
			if *asJSON {
				return printJSON(c.OutOrStdout(), r)
			}
			return printResult(c.OutOrStdout(), r)
		})
	}
	return c
}

// choose returns the entries of the packs named; of all, when none is named.
func choose(cfg *config.Config, names []string) ([]config.Entry, error) {
	entries, err := config.Choose(cfg.Entries(), names)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	return entries, nil
}

// examine prints each result as it is known. Its error decides the exit code.
func examine(ctx context.Context, o doctor.Options, printResult func(diag.Result) error) error {
	var results []diag.Result
	for r := range doctor.Run(ctx, o) {
		if err := printResult(r); err != nil {
			return err
		}
		results = append(results, r)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := doctor.Err(results); err != nil {
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	return nil
}

// printResult writes a result as a person reads it.
func printResult(w io.Writer, r diag.Result) error {
	_, err := fmt.Fprintf(w, "%s %-13s %s: %s\n", r.Mark(), r.Check, r.Target, r.Detail)
	if err == nil && r.Hint != "" {
		_, err = fmt.Fprintf(w, "  hint: %s\n", r.Hint)
	}
	return err
}
