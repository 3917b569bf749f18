package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/config"
	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
)

// doctor tries live what the daemon will do, and tells of each check as it is
// done.
type doctor struct {
	cfg      *config.Config
	path     string         // of the configuration file
	packs    []config.Entry // to look at
	generate []config.Entry // to have a report made of
	notices  bool           // send each channel a test message
	timeout  time.Duration  // of one check
	tell     func(diag.Result) error
}

// check is one part of the examination. Its results are about target where
// they name none themselves.
type check struct {
	name, target string
	look         func(context.Context) []diag.Result
}

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
	notices := c.Flags().Bool("notices", false, "send a test message to each channel of notices, to see that it gets through")
	timeout := c.Flags().Duration("timeout", 30*time.Second, "the time that one check may take")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *timeout <= 0 {
			return fmt.Errorf("%w: --timeout %s leaves no time", errUsage, *timeout)
		}
		cfg, err := load(*path, c.ErrOrStderr())
		if err != nil {
			return err
		}
		d := &doctor{cfg: cfg, path: *path, notices: *notices, timeout: *timeout}
		all := &house{entries: cfg.Entries()}
		if d.packs, err = all.choose(args); err != nil {
			return err
		}
		if len(*generate) > 0 {
			if d.generate, err = all.choose(*generate); err != nil {
				return err
			}
		}
		d.tell = func(r diag.Result) error {
			if *asJSON {
				return printJSON(c.OutOrStdout(), r)
			}
			return printResult(c.OutOrStdout(), r)
		}
		return d.run(c.Context())
	}
	return c
}

// run does every check. Its error, said already, is of the kind that decides
// the exit code: what does not pass by itself comes first.
func (d *doctor) run(ctx context.Context) error {
	var errs []error
	for _, c := range d.checks() {
		for _, r := range d.do(ctx, c) {
			if err := d.tell(r); err != nil {
				return err
			}
			if err := r.Err(); err != nil && !passes(r.Reason) {
				errs = slices.Insert(errs, 0, err)
			} else if err != nil {
				errs = append(errs, err)
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	return nil
}

// passes reports whether what is bad for that reason may pass by itself.
func passes(r fault.Reason) bool { return r.Transient() || r == fault.Deadline }

// linger is how long a check that ran out of time has to say what it waited for.
const linger = 2 * time.Second

// do does one check within its time. One that hangs, as a dead network file
// system makes it, is left behind.
func (d *doctor) do(ctx context.Context, c check) []diag.Result {
	ctx, stop := context.WithTimeoutCause(ctx, d.timeout, fault.New(fault.Deadline, "no answer within %s", d.timeout))
	defer stop()
	done := make(chan []diag.Result, 1)
	go func() { done <- c.look(ctx) }()
	var results []diag.Result
	select {
	case results = <-done:
	case <-ctx.Done():
		select {
		case results = <-done:
		case <-time.After(linger):
			results = []diag.Result{diag.Fail(c.name, context.Cause(ctx))}
		}
	}
	for i := range results {
		if results[i].Target == "" {
			results[i].Target = c.target
		}
	}
	return results
}

// printResult writes a result as a person reads it.
func printResult(w io.Writer, r diag.Result) error {
	_, err := fmt.Fprintf(w, "%s %-13s %s: %s\n", r.Mark(), r.Check, r.Target, r.Detail)
	if err == nil && r.Hint != "" {
		_, err = fmt.Fprintf(w, "  hint: %s\n", r.Hint)
	}
	return err
}
