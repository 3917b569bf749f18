package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive/bundle"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// newProve makes the verb that proves a single slot.
func newProve() *cobra.Command {
	c := &cobra.Command{
		Use: "prove SLOT", ValidArgsFunction: completePacksOrSlots, Short: "Write a report with the proof that it is in the ledger",
		Long: `prove writes for one slot the report, its manifest.json, and a C2SP tlog-proof that the
manifest is in the ledger, signed by its key: by the first checkpoint with it that a
time-stamping authority stamped, whose token is written beside. For a gap it is the gap
record. A slot is named <source>/<pack>@<due>, as list prints it.

prove.sh of a bundle verifies these files with bash, coreutils and openssl.`,
		Example: `  packseal prove prod/cp-fdc8626622af00f90000@20260331T180000Z -o proof
  bash prove.sh *.tlog-proof manifest.json VKEY report-*.xls`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !strings.Contains(args[0], "@") {
				return fmt.Errorf("%w: prove takes one slot as list prints it: <source>/<pack>@<due>", errUsage)
			}
			return nil
		},
	}
	dir := c.Flags().StringP("output", "o", ".", "the folder, which is made if it is not there")
	return newProving(c, false, func(ctx context.Context, p *proving, args []string) error {
		slot, err := evidence.ParseSlot(args[0])
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		proof, err := p.Prove(ctx, slot)
		if err == nil {
			err = os.MkdirAll(*dir, 0o755)
		}
		if err != nil {
			return err
		}
		return p.write(ctx, *dir, proof)
	})
}

// write writes the files of a proof, and prints what they prove.
func (p *proving) write(ctx context.Context, dir string, proof bundle.Proof) error {
	files := make(map[string]func(io.Writer) error)
	for name, b := range proof.Files {
		files[name] = func(w io.Writer) error { _, err := w.Write(b); return err }
	}
	if m := proof.Manifest; m != nil {
		files[m.Object] = func(w io.Writer) error { return p.Report(ctx, *m, w) }
	}
	out := p.cmd.OutOrStdout()
	var failed error
	for name, write := range files {
		if err := writeOut(out, filepath.Join(dir, name), write); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
		}
	}
	if failed != nil {
		if fault.Of(failed) == fault.Damaged {
			failed = fmt.Errorf("%w: %w", errDamaged, failed)
		}
		return failed
	}
	for _, f := range proof.Findings {
		fmt.Fprintf(p.cmd.ErrOrStderr(), "warning: %s: %s\n", f.Key, f.Sentence)
	}
	since := "no time-stamp covers it yet: ask again later"
	switch {
	case !proof.Stamped.IsZero():
		since = "stamped " + proof.Stamped.Format(time.RFC3339)
	case len(proof.Findings) > 0:
		since = "no time-stamp that holds covers it"
	}
	if proof.Found {
		since += "; it was found in the archive, and nobody vouches for how it came there"
	}
	_, err := fmt.Fprintf(out, "%s: entry %d of the ledger; %s\n", filepath.Join(dir, proof.Name+".tlog-proof"), proof.Index, since)
	return err
}
