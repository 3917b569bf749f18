package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/control"
	"packseal.example/daemon"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/table"
)

// sealWorkers is how many packs the seal verb works on at once.
const sealWorkers = 16

// outcome is the result for one pack, as seal --json prints it.
type outcome struct {
	evidence.Record
	Named   string       `json:"slot,omitempty"`    // the slot, as cat takes it
	Already bool         `json:"already,omitempty"` // it had been settled before
	Error   string       `json:"error,omitempty"`
	Reason  fault.Reason `json:"error_reason,omitempty"`
	err     error
}

// printJSON prints the outcome for a program.
func (o outcome) printJSON(w io.Writer) error {
	if !o.Due.IsZero() {
		o.Named = o.ID()
	}
	return printJSON(w, o)
}

// sealer is one run of seal.
type sealer struct {
	archive *archive.Archive
	now     bool // a slot of this second
	late    bool // also the latest slot that is older than catch_up
	asJSON  bool
	out     io.Writer
	talk    io.Writer
	client  *control.Client

	mu   sync.Mutex
	here map[evidence.Slot]bool // settled by this process
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
tells what it has settled.

Like the daemon, it makes no report for a slot that fell due longer ago than
catch_up: the report would show a later state under that slot's time. --now makes a
slot of the current second for it, and --late files it under the old slot all the
same; late_seconds in its manifest says how late.`,
		Example:           "  packseal seal cp-fdc8626622af00f90000\n  packseal seal --now --json",
		ValidArgsFunction: completePacks,
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	s := sealer{here: make(map[evidence.Slot]bool)}
	c.Flags().BoolVar(&s.now, "now", false, "make a slot of the current second instead")
	c.Flags().BoolVar(&s.late, "late", false, "also settle a slot that is older than catch_up, with a report of today")
	c.MarkFlagsMutuallyExclusive("now", "late")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := load(*path, c.ErrOrStderr())
		if err != nil {
			return err
		}
		if err := refuseRoot(cfg); err != nil {
			return err
		}
		cfg, entries, unlisted, err := chooseListed(c, cfg, args)
		if err != nil {
			return err
		}
		if s.now {
			if entries = notEnded(c.ErrOrStderr(), entries, len(args) > 0, time.Now()); len(entries) == 0 {
				return fmt.Errorf("%w: every pack has ended: its until has come; name one to seal it all the same", errUsage)
			}
		}
		traces, err := openTraces(c.Context(), newLogger(cfg.Log, c.ErrOrStderr()))
		if err != nil {
			return err
		}
		defer traces.Close(c.Context())
		s.archive, err = daemon.OpenArchive(c.Context(), cfg, daemon.ArchiveOptions{
			Tool: tool(), Logger: slog.New(slog.DiscardHandler), Tracer: traces.Tracer(), Observe: s.observe,
		})
		if err != nil {
			return err
		}
		s.out, s.talk, s.client, s.asJSON = c.OutOrStdout(), c.ErrOrStderr(), control.NewClient(cfg.StateDir), *asJSON
		outcomes := s.all(c.Context(), entries)
		commitLedger(c.Context(), cfg, s.talk)
		errs := []error{unlisted}
		for _, o := range outcomes {
			if *asJSON {
				if err := o.printJSON(s.out); err != nil {
					return err
				}
			}
			errs = append(errs, o.err)
		}
		return firstLasting(errs)
	}
	return c
}

// notEnded leaves out packs whose until has come: a slot of now is not asked of them by
// whoever asks for all. Of those that are named it warns.
func notEnded(stderr io.Writer, entries []config.Entry, named bool, now time.Time) []config.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e config.Entry) bool {
		if e.Ended(now) && named {
			fmt.Fprintf(stderr, "warning: %s/%s %s: a report is made of it because it was named\n", e.Pack.Source, e.Pack.Key(), endedAt(e.Plan.Until, e.Zone()))
		}
		return e.Ended(now) && !named
	})
}

// observe notes which slots this process settles.
func (s *sealer) observe(e catalog.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.here[e.Slot] = s.here[e.Slot] || e.Local
}

// all settles one slot of each entry, some at the same time. The outcomes are in
// the entries' order.
func (s *sealer) all(ctx context.Context, entries []config.Entry) []outcome {
	at := time.Now().UTC().Truncate(time.Second)
	outcomes := make([]outcome, len(entries))
	var wg sync.WaitGroup
	free := make(chan struct{}, sealWorkers)
	for i, e := range entries {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			outcomes[i] = s.one(ctx, e, at)
			s.report(ctx, outcomes[i])
		})
	}
	wg.Wait()
	return outcomes
}

// one settles an entry's slot.
func (s *sealer) one(ctx context.Context, e config.Entry, at time.Time) (o outcome) {
	o.Source, o.Pack = e.Pack.Source, e.Pack.Key()
	if o.Due, o.err = s.due(ctx, e, at); o.err == nil {
		// A report can take minutes: at a terminal the beginning is printed, too.
		if !s.asJSON && terminal(s.talk) {
			s.print(s.talk, "begun   %s\n", o.ID())
		}
		var r evidence.Record
		r, o.err = s.archive.Seal(ctx, o.Slot, time.Now().Add(e.Plan.Timeout))
		if r.State != "" {
			o.Record = r
			s.mu.Lock()
			o.Already = !s.here[r.Slot]
			s.mu.Unlock()
		}
	}
	if o.err != nil {
		o.Error, o.Reason = o.err.Error(), fault.Of(o.err)
	}
	return o
}

// due returns when the slot to settle fell due. A pack whose schedule has not been
// due yet has none, which is temporary. One that is too old has to be under way
// already, unless late ones are wanted.
func (s *sealer) due(ctx context.Context, e config.Entry, at time.Time) (time.Time, error) {
	if s.now {
		return at, nil
	}
	due, fresh, ok := e.Plan.Latest(at)
	if !ok {
		return due, fault.New(fault.NotReady, "%s: nothing has fallen due yet", e.Pack.Key()).WithHint("--now makes a slot of this second")
	}
	if fresh || s.late {
		return due, nil
	}
	begun, err := s.archive.Begun(ctx, e.Pack.Slot(due))
	if err == nil && !begun {
		err = fault.New(fault.Missed, "the latest slot fell due %s ago, and catch_up is %s: a report of now is not its report", roughly(at.Sub(due)), roughly(e.Plan.CatchUp)).
			WithHint("--now makes a slot of this second; --late files today's report under the old slot all the same")
	}
	return due, err
}

// report prints how a slot ended, and tells the daemon.
func (s *sealer) report(ctx context.Context, o outcome) {
	if o.State != "" {
		if err := s.client.Settled(ctx, o.Slot); err != nil && !errors.Is(err, control.ErrNoDaemon) {
			s.print(s.talk, "warning: %s has ended, which the daemon does not know yet: %v\n", o.ID(), err)
		}
	}
	if s.asJSON {
		return
	}
	already := ""
	if o.Imported != "" {
		already = "; imported by " + table.Plain(o.Imported)
	}
	if o.Already {
		already += "; was " + map[evidence.State]string{evidence.Sealed: "sealed", evidence.Gapped: "a gap"}[o.State] + " already"
	}
	switch o.State {
	case evidence.Sealed:
		s.print(s.out, "sealed  %s  %d bytes  sha256 %.12s…  %s%s\n", o.ID(), o.Size, o.SHA256, o.Object, already)
	case evidence.Gapped:
		s.print(s.out, "gap     %s  %s: %s%s\n", o.ID(), o.Record.Reason, o.Detail, already)
	}
	if o.err != nil {
		hint := fault.Hint(o.err)
		if hint != "" {
			hint = "\n        hint: " + hint
		}
		name := o.ID()
		if o.Due.IsZero() {
			name = o.Source + "/" + o.Pack
		}
		s.print(s.talk, "failed  %s  %v%s\n", name, o.err, hint)
	}
}

// print prints a line of one of many packs.
func (s *sealer) print(w io.Writer, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(w, format, args...)
}
