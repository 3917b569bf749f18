package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"packseal.example/archive/audit"
	"packseal.example/archive/bundle"
)

// newBundle makes the verb that writes what auditors get.
func newBundle() *cobra.Command {
	c := &cobra.Command{
		Use: "bundle [PACK…]", ValidArgsFunction: completePacks, Short: "Write a zip of a period that an auditor verifies offline",
		Long: `bundle writes a zip of what was due and kept within a period: records, reports,
signed checkpoints with their time-stamps, a statement, and what an auditor verifies it
with: packseal audit, or Python, or openssl and sha256sum alone.

Days are those of --zone, and the last one is included; a period that is not over ends
now. Packs choose what the statement and the reports are of; the ledger's own part is
the same for all. --reports none leaves the reports out, and sample=N takes N that
follow from the ledger's root, so that nobody chooses them. Every object is checked
before it goes in. What the sinks do not have as the ledger says is left out and named,
in the bundle as well; then bundle exits with 3.

The statement's hash is logged in the ledger. With --key, the ledger's verifier key, or
with --dir, a copy of an archive, it is not: that takes the key that signs. For a copy,
--tsa-roots names the roots of the time-stamping authorities.`,
		Example: `  packseal bundle --from 2026-01-01 --to 2026-03-31 --zone Asia/Shanghai -o q1.zip
  packseal bundle --from 2026-01-01 --to 2026-03-31 --reports sample=20 -o q1.zip cp-fdc8626622af00f90000
  packseal audit q1.zip --key VKEY --tsa-roots roots.pem`,
	}
	out := c.Flags().StringP("output", "o", "", "the file to write, which is replaced; required")
	reports := c.Flags().String("reports", audit.AllReports, "all, none or sample=N")
	c.RegisterFlagCompletionFunc("reports", cobra.FixedCompletions([]string{audit.AllReports, audit.NoReports, audit.SampledReports + "=20"}, cobra.ShellCompDirectiveNoFileComp)) //nolint:errcheck // the flag is there
	asJSON := jsonFlag(c)
	return newProving(c, true, func(ctx context.Context, p *proving, args []string) error {
		mode, err := reportsMode(*reports)
		switch {
		case err != nil:
			return err
		case *out == "":
			return fmt.Errorf("%w: bundle needs --output FILE", errUsage)
		}
		var m bundle.Made
		show, done := p.progress()
		err = writeOut(c.OutOrStdout(), *out, func(w io.Writer) (err error) {
			m, err = p.Write(ctx, w, bundle.Options{Period: p.period, Reports: mode, Progress: show})
			return err
		})
		done()
		if err != nil {
			return err
		}
		p.log(ctx, m)
		return p.print(m, audit.English, *asJSON)
	})
}

// reportsMode reads --reports.
func reportsMode(text string) (audit.Reports, error) {
	name, number, sampled := strings.Cut(text, "=")
	n, err := strconv.Atoi(number)
	switch {
	case name == audit.SampledReports && sampled && err == nil && n > 0:
		return audit.Reports{Mode: audit.SampledReports, Sample: n}, nil
	case !sampled && (name == audit.AllReports || name == audit.NoReports):
		return audit.Reports{Mode: name}, nil
	}
	return audit.Reports{}, fmt.Errorf("%w: --reports takes all, none or sample=N, such as sample=20, not %.40q", errUsage, text)
}
