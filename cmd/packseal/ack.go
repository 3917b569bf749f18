package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"packseal.example/archive"
	"packseal.example/internal/evidence"
	"packseal.example/internal/period"
	"packseal.example/internal/table"
)

// maxAck bounds who and why of an acknowledgement, in bytes.
const maxAck = 500

// newAck makes the verb that acknowledges a gap, or a problem that verify finds.
func newAck() *cobra.Command {
	c := &cobra.Command{
		Use: "ack SLOT", Short: "Acknowledge a gap, or a problem that verify finds: who, why, until when",
		Long: `ack records beside a slot's records, in every sink, that its gap is known, or with
--problem what verify finds wrong with the slot. The record is written once; it
changes nothing of the gap or the problem. list, cat and verify show it.

verify still prints a problem that is acknowledged, but no longer ends with 3 or
counts it for the metrics. An acknowledgement is for every problem of that kind with
the slot, in all sinks. The last one of a kind is the one that counts, until it
expires. The same one again is not recorded twice, but put into sinks that lack it.`,
		Example: `  packseal ack prod/cp-fdc8626622af00f90000@20260101T180000Z --why "planned power cut, ticket 4711"
  packseal ack prod/cp-fdc8626622af00f90000@20260101T180000Z --problem orphaned --why "leftover of a crash" --until 2026-12-31`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%w: ack takes one slot, as list prints it", errUsage)
			}
			return nil
		},
		ValidArgsFunction: completeSlots,
	}
	var x acking
	path, asJSON := configFlag(c), jsonFlag(c)
	c.Flags().StringVar(&x.ack.Why, "why", "", "the reason, which is shown and kept; required")
	c.Flags().StringVar(&x.ack.Who, "who", "", "who acknowledges it; default: the user")
	c.Flags().StringVar(&x.until, "until", "", "the last day, as a date in the pack's time zone, or an RFC 3339 time; default: for ever")
	c.Flags().StringVar(&x.ack.Problem, "problem", "", "the kind of problem, as verify prints it; default: the slot's gap")
	c.RegisterFlagCompletionFunc("problem", cobra.FixedCompletions(kinds(), cobra.ShellCompDirectiveNoFileComp)) //nolint:errcheck // the flag is there
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := x.check(args[0]); err != nil {
			return err
		}
		cfg, err := load(*path, c.ErrOrStderr())
		if err == nil {
			err = refuseRoot(cfg)
		}
		if err != nil {
			return err
		}
		r, err := openReading(c, cfg, cfg.StateDir, "")
		if err != nil {
			return err
		}
		zone := r.zone(c.Context(), x.ack.Slot().Ref())
		if err := x.expires(zone); err != nil {
			return err
		}
		ack, already, err := r.Acknowledge(c.Context(), x.ack)
		switch {
		case err != nil:
			return err
		case *asJSON:
			return printJSON(c.OutOrStdout(), ack)
		}
		text := table.Plain(ack.In(zone).String())
		if already {
			text += "; was recorded already"
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s  %s\n", ack.Slot(), text)
		return err
	}
	return c
}

// acking is a run of ack.
type acking struct {
	ack   evidence.Ack
	until string
}

// check completes the acknowledgement of a slot from what was given.
func (x *acking) check(slot string) error {
	s, err := evidence.ParseSlot(slot)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	x.ack.Source, x.ack.Pack, x.ack.Due = s.Source, s.Pack, s.Due
	x.ack.Who = cmp.Or(x.ack.Who, whoami())
	if x.ack.Problem != "" && !slices.Contains(kinds(), x.ack.Problem) {
		return fmt.Errorf("%w: --problem takes one of %s, not %.40q", errUsage, strings.Join(kinds(), ", "), x.ack.Problem)
	}
	for _, f := range []struct{ flag, text string }{{"who", x.ack.Who}, {"why", x.ack.Why}} {
		if strings.TrimSpace(f.text) == "" || len(f.text) > maxAck || !utf8.ValidString(f.text) {
			return fmt.Errorf("%w: ack needs --%s, a text of at most %d bytes", errUsage, f.flag, maxAck)
		}
	}
	return nil
}

// expires sets the last moment for which the acknowledgement counts: that of a day
// in the pack's zone, or a time.
func (x *acking) expires(zone *time.Location) error {
	_, end, err := period.Read(x.until, zone)
	switch {
	case err != nil:
		return fmt.Errorf("%w: --until: %w", errUsage, err)
	case end.IsZero():
		return nil
	}
	if x.ack.Until = end.Add(-time.Second).UTC(); x.ack.Until.Before(time.Now()) {
		return fmt.Errorf("%w: --until %s is past", errUsage, x.until)
	}
	return nil
}

// kinds are the kinds of problems that can be acknowledged.
func kinds() (names []string) {
	for _, k := range archive.Kinds() {
		names = append(names, string(k))
	}
	return names
}
