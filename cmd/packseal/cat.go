package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"packseal.example/archive"
	"packseal.example/config"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// newCat makes the verb that writes a report out, byte by byte as it was fetched,
// and none that is not what its manifest says.
func newCat() *cobra.Command {
	c := &cobra.Command{
		Use: "cat SLOT", Short: "Write a sealed report to standard output",
		Long: `cat writes the report of a slot, <source>/<pack>@<due> as list prints it, or
with --manifest the record that seals it. The report is checked first: if it is
not what its manifest says, the next sink is asked, and if none has a good one,
nothing is written and cat exits with 3.`,
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
		_, raw, err := a.Manifest(ctx, slot)
		if err == nil && *wantManifest {
			_, err = c.OutOrStdout().Write(raw)
			return err
		}
		if err == nil {
			err = a.Export(ctx, slot, c.OutOrStdout())
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
