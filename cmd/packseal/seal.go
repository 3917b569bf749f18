package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive"
	"packseal.example/config"
	"packseal.example/control"
	"packseal.example/daemon"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// sealWorkers is how many packs the seal verb works on at once.
const sealWorkers = 16

// outcome is the result for one pack, as seal --json prints it.
type outcome struct {
	evidence.Record
	Error  string       `json:"error,omitempty"`
	Reason fault.Reason `json:"error_reason,omitempty"`
	err    error
}

// newSeal makes the verb for a report that is wanted now: by a person, by cron,
// or by a job in a cluster that runs no daemon. It logs nothing but prints the
// outcome of each pack. Beside a daemon it shares the spool, whose locks keep the
// two from working on one slot at once, and the sinks, which accept one manifest.
func newSeal() *cobra.Command {
	c := &cobra.Command{
		Use: "seal [PACK…]", Short: "Settle the latest due slot of packs now",
		Long: `seal settles the latest due slot of the packs named (default: all), unless it is
settled already. It needs no queue and is safe beside a running daemon, which it
tells what it has settled.`,
		Example: "  packseal seal --config packseal.yaml cp-fdc8626622af00f90000\n  packseal seal --now --json",
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	now := c.Flags().Bool("now", false, "make a slot of the current second instead")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := load(*path, c.ErrOrStderr())
		if err != nil {
			return err
		}
		entries, err := choose(cfg, args)
		if err == nil {
			err = refuseRoot(cfg)
		}
		if err != nil {
			return err
		}
		traces, err := openTraces(c.Context(), newLogger(cfg.Log, c.ErrOrStderr()))
		if err != nil {
			return err
		}
		defer traces.Close(c.Context())
		a, err := daemon.OpenArchive(c.Context(), cfg, daemon.ArchiveOptions{Tool: tool(), Logger: slog.New(slog.DiscardHandler), Tracer: traces.Tracer()})
		if err != nil {
			return err
		}
		client := control.NewClient(cfg.StateDir)
		at := time.Now().UTC().Truncate(time.Second)
		outcomes := sealAll(c.Context(), a, entries, func(e config.Entry) (time.Time, bool) {
			if *now {
				return at, true
			}
			return e.Plan.Schedule.Latest(at.AddDate(-5, 0, 0), at)
		}, func(o outcome) {
			if o.State != "" {
				if err := client.Settled(c.Context(), o.Slot); err != nil && !errors.Is(err, control.ErrNoDaemon) {
					printError(c.ErrOrStderr(), fmt.Errorf("%s has ended, which the daemon does not know yet: %w", o.ID(), err))
				}
			}
			// A report can take minutes: at a terminal the beginning is printed, too.
			if !*asJSON && (o.ended() || terminal(c.ErrOrStderr())) {
				o.print(c.ErrOrStderr())
			}
		})
		var errs []error
		for _, o := range outcomes {
			if *asJSON {
				if err := printJSON(c.OutOrStdout(), o); err != nil {
					return err
				}
			}
			errs = append(errs, o.err)
		}
		return firstLasting(errs)
	}
	return c
}

// sealAll settles one slot of each entry, some at the same time, and reports each
// when it begins and when it is done. The outcomes are in the entries' order.
func sealAll(ctx context.Context, a *archive.Archive, entries []config.Entry, due func(config.Entry) (time.Time, bool), report func(outcome)) []outcome {
	outcomes := make([]outcome, len(entries))
	var wg sync.WaitGroup
	var mu sync.Mutex
	free := make(chan struct{}, sealWorkers)
	for i, e := range entries {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			say := func(o outcome) outcome {
				mu.Lock()
				defer mu.Unlock()
				report(o)
				return o
			}
			outcomes[i] = sealOne(ctx, a, e, due, say)
		})
	}
	wg.Wait()
	return outcomes
}

// sealOne settles an entry's slot. A pack whose schedule has not been due yet has
// none, which is temporary.
func sealOne(ctx context.Context, a *archive.Archive, e config.Entry, due func(config.Entry) (time.Time, bool), say func(outcome) outcome) (o outcome) {
	o.Source, o.Pack = e.Pack.Source, e.Pack.Key()
	at, ok := due(e)
	if !ok {
		o.err = fault.New(fault.NotReady, "%s: nothing has fallen due yet", o.Pack).WithHint("--now makes a slot of this second")
	} else {
		o.Due = at
		say(o)
		var r evidence.Record
		r, o.err = a.Seal(ctx, e.Pack.Slot(at), time.Now().Add(e.Plan.Timeout))
		if r.State != "" {
			o.Record = r
		}
	}
	if o.err != nil {
		o.Error, o.Reason = o.err.Error(), fault.Of(o.err)
	}
	return say(o)
}

// ended reports whether the slot is done.
func (o outcome) ended() bool { return o.State != "" || o.err != nil }

// print writes the outcome as a person reads it.
func (o outcome) print(w io.Writer) {
	switch {
	case !o.ended():
		fmt.Fprintf(w, "begun   %s\n", o.ID())
	case o.State == evidence.Sealed:
		fmt.Fprintf(w, "sealed  %s  %d bytes  sha256 %.12s…  %s\n", o.ID(), o.Size, o.SHA256, o.Object)
	case o.State == evidence.Gapped:
		fmt.Fprintf(w, "gap     %s  %s: %s\n", o.ID(), o.Record.Reason, o.Detail)
	}
	if o.err != nil {
		fmt.Fprintf(w, "failed  %s  %v\n", o.ID(), o.err)
		if hint := fault.Hint(o.err); hint != "" {
			fmt.Fprintf(w, "        hint: %s\n", hint)
		}
	}
}
