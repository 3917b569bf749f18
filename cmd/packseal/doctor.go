package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/doctor"
	"packseal.example/internal/diag"
	"packseal.example/internal/units"
)

func newDoctor() *cobra.Command {
	c := &cobra.Command{
		Use: "doctor [PACK…]", Short: "Try everything live: clock, credentials, permissions, links, sinks, page, notices",
		Long: `doctor tries what the daemon will do, in order, for the packs named (default:
all), and prints a line for each check: ✓ good, ✗ bad, with a hint, or – not
checked, and why. It is safe beside a running daemon.

It calls the API once per pack, within requests_per_second, and fetches the first
bytes of the pack's latest report; of many packs it takes a sample, unless packs
are named or --all is given. It does not generate reports: only a real
request shows whether that is permitted, and --generate PACK makes one.

It sends nothing to notification channels, unless --notices makes it send each of
them a test message.

In each sink it keeps one small object, packseal-doctor/probe….txt, the same in
every run, whose content says that it is no evidence. verify ignores it, and it
may be deleted. With object_lock it is locked as reports are, one per lock that
was ever configured.

The last line sums up; --quiet shows only what is bad, and nothing if all is well.
It exits with 0 if nothing is bad, with 1 if something is, and with 75 if all that
is bad may be temporary. With --json, ok is null for what was not checked.`,
		Example: "  packseal doctor --config packseal.yaml\n  packseal doctor --json cp-fdc8626622af00f90000\n  packseal doctor --generate cp-fdc8626622af00f90000",
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	c.ValidArgsFunction = completePacks
	generate := c.Flags().StringArray("generate", nil, "generate a new report of this pack, to check that it is permitted (repeatable)")
	c.RegisterFlagCompletionFunc("generate", completePacks) //nolint:errcheck // the flag is there
	o := doctor.Options{Tool: tool(), Instance: instance()}
	quiet := c.Flags().BoolP("quiet", "q", false, "show only what is bad")
	all := c.Flags().Bool("all", false, "ask about every pack, however many there are")
	c.Flags().BoolVar(&o.Notices, "notices", false, "send a test message to each notification channel")
	durationFlag(c, &o.Timeout, "timeout", 30*time.Second, "time limit of one check")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if o.Timeout <= 0 {
			return fmt.Errorf("%w: --timeout %s leaves no time", errUsage, units.FormatDuration(o.Timeout))
		}
		if o.Config, err = load(*path, c.ErrOrStderr()); err != nil {
			return besideDaemon(c, *path, err)
		}
		o.All = *all || len(args) > 0
		if named := slices.Concat(args, *generate); len(named) > 0 {
			if o.Config, _, _, err = chooseListed(c, o.Config, named); err != nil {
				return err
			}
		}
		if o.Packs, err = choose(o.Config, args); err != nil {
			return err
		}
		if len(*generate) > 0 {
			if o.Generate, err = choose(o.Config, *generate); err != nil {
				return err
			}
		}
		began, states := time.Now(), make(map[diag.State]int)
		err = examine(c.Context(), o, func(r diag.Result) error {
			switch states[r.State]++; {
			case *quiet && r.State != diag.Bad:
				return nil
			case *asJSON:
				return printJSON(c.OutOrStdout(), r)
			}
			return printResult(c.OutOrStdout(), r)
		})
		if !*quiet && !*asJSON {
			fmt.Fprintf(c.OutOrStdout(), "%d good, %d bad, %d not checked, in %s\n",
				states[diag.Good], states[diag.Bad], states[diag.Skipped], time.Since(began).Round(100*time.Millisecond))
		}
		return err
	}
	return c
}

// besideDaemon says that a daemon goes on with the configuration from before, if one
// runs beside a file with a fault.
func besideDaemon(c *cobra.Command, path string, bad error) error {
	client, err := reach(path)
	if err == nil {
		if _, err = client.Status(c.Context()); err == nil {
			fmt.Fprintln(c.ErrOrStderr(), "the daemon goes on with the configuration from before, which packseal status shows; doctor tries what the file says:")
		}
	}
	return bad
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
