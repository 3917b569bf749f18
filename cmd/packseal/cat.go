package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/internal/atomicfile"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/period"
	"packseal.example/internal/table"
	"packseal.example/sink"
)

// newCat makes the verb that writes a report out, byte by byte as it was fetched,
// and none that is not what its manifest says.
func newCat() *cobra.Command {
	c := &cobra.Command{
		Use: "cat PACK|SLOT", Short: "Write a sealed report to standard output or a file",
		Long: `cat writes the latest report of a pack; with --at the one that was due on that day
in the pack's own time zone (the last sealed one of the day), or at that RFC 3339
time. A single slot is named <source>/<pack>@<due>, as list prints it.

With --manifest it writes the record that settles the slot instead. The report is
checked first: if it is not what its manifest says, the next sink is asked, and if
none has a good one, nothing is written and cat exits with 3. For a slot that is a
gap cat says why, and exits with 1.`,
		Example: `  packseal cat cp-fdc8626622af00f90000 -o report.xls
  packseal cat cp-fdc8626622af00f90000 --at 2026-03-31 -o report.xls
  packseal cat --manifest prod/cp-fdc8626622af00f90000@20260101T180000Z`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%w: cat takes one pack, or one slot as list prints it", errUsage)
			}
			return nil
		},
		ValidArgsFunction: completePacksOrSlots,
	}
	wantManifest := c.Flags().Bool("manifest", false, "write the record instead of the report")
	at := c.Flags().String("at", "", "the day or the time when the report was due; default: the latest report")
	out := c.Flags().StringP("output", "o", "", "the file to write to; default: standard output")
	return newReading(c, func(ctx context.Context, r *reading, args []string) error {
		slot, err := r.slot(ctx, args[0], *at)
		if err != nil {
			return err
		}
		record, raw, err := r.Read(ctx, slot)
		if err == nil && record.State == evidence.Gapped {
			if ack := r.gapAck(ctx, slot); ack != nil {
				fmt.Fprintf(c.ErrOrStderr(), "note: the gap is %s\n", table.Plain(ack.In(r.zone(ctx, slot.Ref())).String()))
			}
			if !*wantManifest {
				return fault.New(fault.NotFound, "%s is a gap: %s: %s", slot, record.Reason, record.Detail).WithHint("--manifest writes its record")
			}
		}
		if err == nil {
			err = writeOut(c.OutOrStdout(), *out, func(w io.Writer) error {
				if !*wantManifest {
					return r.Export(ctx, slot, w)
				}
				_, err := w.Write(raw)
				return err
			})
		}
		switch {
		case errors.Is(err, sink.ErrNotExist):
			return fmt.Errorf("no sealed slot %s: %w", slot, err)
		case fault.Of(err) == fault.Damaged:
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		return err
	})
}

// gapAck returns the acknowledgement of a gap; nil = there is none. That it can't be
// known is said once.
func (r *reading) gapAck(ctx context.Context, s evidence.Slot) *evidence.Ack {
	if r.ackOf == nil {
		return nil
	}
	ack, err := r.ackOf(ctx, s)
	if err != nil {
		r.ackOf = nil
		fmt.Fprintf(r.cmd.ErrOrStderr(), "warning: who acknowledged gaps is not shown: %v\n", err)
	}
	return ack
}

// slot returns the slot that a person means.
func (r *reading) slot(ctx context.Context, name, at string) (evidence.Slot, error) {
	if strings.Contains(name, "@") {
		slot, err := evidence.ParseSlot(name)
		switch {
		case err != nil:
			return slot, fmt.Errorf("%w: %w", errUsage, err)
		case at != "":
			return slot, fmt.Errorf("%w: --at is for a pack; %s is a slot", errUsage, name)
		}
		return slot, nil
	}
	e, err := r.one(ctx, name)
	if err != nil {
		return evidence.Slot{}, err
	}
	if at == "" {
		return r.latest(ctx, e)
	}
	return r.at(ctx, e, at)
}

// latest returns the pack's latest sealed slot.
func (r *reading) latest(ctx context.Context, e config.Entry) (evidence.Slot, error) {
	q := catalog.Query{Source: e.Pack.Source, Pack: e.Pack.Key()}
	slot, err := r.sealed(ctx, q)
	if err == nil && slot.Pack == "" {
		err = fault.New(fault.NotFound, "no report of %s/%s is sealed", q.Source, q.Pack)
	}
	return slot, err
}

// sealed returns the last sealed slot of a query; zero = there is none. That a later
// one is a gap is said beside.
func (r *reading) sealed(ctx context.Context, q catalog.Query) (evidence.Slot, error) {
	q.State, q.Limit = evidence.Sealed, 1
	sealed, err := r.first(ctx, q)
	if err != nil || sealed.Pack == "" {
		return sealed.Slot, err
	}
	q.State, q.From = evidence.Gapped, sealed.Due
	if gap, err := r.first(ctx, q); err == nil && gap.Pack != "" && gap.Slot != sealed.Slot {
		fmt.Fprintf(r.cmd.ErrOrStderr(), "note: this is the report of %s; a later slot, %s, is a gap: %s\n", sealed.ID(), gap.ID(), gap.Reason)
	}
	return sealed.Slot, nil
}

// at returns the pack's last sealed slot that was due on a day, or at a time; else
// its gap. No other day's report is taken for it.
func (r *reading) at(ctx context.Context, e config.Entry, at string) (evidence.Slot, error) {
	from, to, err := period.Read(at, e.Zone())
	if err != nil {
		return evidence.Slot{}, fmt.Errorf("%w: --at: %w", errUsage, err)
	}
	q := catalog.Query{Source: e.Pack.Source, Pack: e.Pack.Key(), From: from, To: to, Limit: 1}
	if slot, err := r.sealed(ctx, q); err != nil || slot.Pack != "" {
		return slot, err
	}
	if gap, err := r.first(ctx, q); err != nil || gap.Pack != "" {
		return gap.Slot, err
	}
	none := fault.New(fault.NotFound, "no slot of %s/%s that fell due at %s (%s) is settled", q.Source, q.Pack, at, e.TimeZone)
	q.From, q.To = time.Time{}, from
	if before, err := r.first(ctx, q); err == nil && before.Pack != "" {
		none = none.WithHint("the one before is %s", before.ID())
	}
	return evidence.Slot{}, none
}

// first returns the first record of a query; zero = there is none. One that can't
// be read is its slot and state.
func (r *reading) first(ctx context.Context, q catalog.Query) (evidence.Record, error) {
	for record, err := range r.Records(ctx, q) {
		if record.Pack != "" {
			return record, nil
		}
		return record, err
	}
	return evidence.Record{}, nil
}

// writeOut has something written to standard output or to a file: whole or not at
// all, unless that is a pipe or a device.
func writeOut(stdout io.Writer, file string, write func(io.Writer) error) error {
	fi, err := os.Stat(file)
	switch {
	case file == "":
		return write(stdout)
	case err != nil || fi.Mode().IsRegular():
		return atomicfile.Create(file, 0o644, write)
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
