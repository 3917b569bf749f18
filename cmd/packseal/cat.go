package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"packseal.example/archive"
	"packseal.example/config"
	"packseal.example/internal/evidence"
	"packseal.example/sink"
)

// newCat makes the verb that writes a report out, byte by byte as it was
// fetched. It checks nothing on the way, because a pipe can't take bytes back:
// verify is for that.
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
	return reading(c, func(ctx context.Context, _ *config.Config, a *archive.Archive, args []string) error {
		slot, err := evidence.ParseSlot(args[0])
		if err != nil {
			return fmt.Errorf("%w: %q is not a slot like <source>/<pack>@<due>", errUsage, args[0])
		}
		m, raw, err := readManifest(ctx, a.Sinks, slot)
		switch {
		case err != nil:
			return err
		case *wantManifest:
			_, err = c.OutOrStdout().Write(raw)
			return err
		}
		return copyOut(ctx, a.Sinks, m.ReportKey(), c.OutOrStdout())
	})
}

// readManifest returns a slot's manifest from the first sink that has a good
// one, decoded and as it is.
func readManifest(ctx context.Context, sinks []archive.Target, slot evidence.Slot) (m evidence.Manifest, raw []byte, err error) {
	var errs []error
	for _, t := range sinks {
		if raw, err = sink.ReadAll(ctx, t, slot.ManifestKey(), evidence.MaxRecord); err == nil {
			m, err = evidence.DecodeManifest(raw, slot)
		}
		if err == nil {
			return m, raw, nil
		}
		if !errors.Is(err, sink.ErrNotExist) {
			errs = append(errs, fmt.Errorf("reading the manifest of %s from sink %s: %w", slot, t.Name, err))
		}
	}
	if len(errs) == 0 {
		return m, nil, fmt.Errorf("no sealed slot %s", slot)
	}
	return m, nil, errors.Join(errs...)
}

// copyOut writes an object from the first sink that has it.
func copyOut(ctx context.Context, sinks []archive.Target, key string, w io.Writer) error {
	var errs []error
	for _, t := range sinks {
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
