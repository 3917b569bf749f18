package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive/audit"
	"packseal.example/archive/ledger/stamp"
	"packseal.example/internal/fault"
)

// newAudit makes the verb that verifies a bundle. It reads no configuration and
// makes no connection: its verdict follows from the bundle and what is given to it.
func newAudit() *cobra.Command {
	c := &cobra.Command{
		Use: "audit BUNDLE", Short: "Verify a bundle offline, with the ledger's key alone",
		Long: `audit verifies a bundle, a zip of what was due and kept within a period, offline and
without a configuration: that its entries are those that the ledger's key signed, that
each record and report is what the ledger has, that what was due was announced in
advance and was kept or is a gap, and when. It computes the statement anew, and believes
nothing that the bundle says of itself.

It prints what it found in plain words, what is not proven, and which files it did not
check, such as index.html. It exits with 0, or with 3 if there are findings, each with
a word and a sentence.

Take the key, the roots and lines that you know from elsewhere, not from the bundle.
Without --tsa-roots time-stamps are not checked, and nothing says when anything
happened; the word system stands for the roots that this machine trusts.`,
		Example: `  packseal audit q1.zip --key example.com/packseal/audit+1f2e3d4c+AbCd… --tsa-roots tsa-roots.pem
  packseal audit q1.zip --key "$KEY" --known 'example.com/packseal/audit 55116 r4nd…=' --json`,
		ValidArgsFunction: cobra.FixedCompletions([]string{"zip"}, cobra.ShellCompDirectiveFilterFileExt),
	}
	var o audit.Options
	c.Flags().StringArrayVar(&o.Keys, "key", nil, "the ledger's verifier key; repeatable after a change of keys")
	roots := tsaRootsFlag(c, "")
	c.Flags().StringArrayVar(&o.Known, "known", nil, "a line of the ledger that was noted earlier: origin, size, root (repeatable)")
	c.Flags().StringArrayVar(&o.Witnesses, "witness", nil, "the verifier key of a witness that must have cosigned (repeatable)")
	lang := langFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		switch {
		case len(args) != 1:
			return fmt.Errorf("%w: audit takes one bundle, but was given %q", errUsage, args)
		case len(o.Keys) == 0:
			return fmt.Errorf("%w: --key is missing: the ledger's verifier key, which packseal ledger init prints", errUsage)
		}
		if err := checkLang(*lang); err != nil {
			return err
		}
		o.Tool = tool()
		if o.Stamps, _, err = tokens(*roots); err != nil {
			return err
		}
		r, err := auditFile(args[0], o)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), r)
		} else {
			_, err = io.WriteString(c.OutOrStdout(), r.Text(*lang))
		}
		if err == nil && len(r.Findings) > 0 {
			err = errDamage
		}
		return err
	}
	return c
}

// auditFile audits the bundle in a file.
func auditFile(path string, o audit.Options) (audit.Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return audit.Result{}, fmt.Errorf("opening the bundle: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return audit.Result{}, fmt.Errorf("opening the bundle: %w", err)
	}
	if !info.Mode().IsRegular() {
		return audit.Result{}, fmt.Errorf("%w: %s is not a file: audit reads the zip itself, not a folder it was unpacked to", errUsage, path)
	}
	r, err := audit.Bundle(f, info.Size(), o)
	if fault.Of(err) == fault.Request {
		err = fmt.Errorf("%w: %w", errUsage, err)
	}
	return r, err
}

// tsaRootsFlag adds --tsa-roots to a verb, with what is said of its default.
func tsaRootsFlag(c *cobra.Command, more string) *string {
	return c.Flags().String("tsa-roots", "", "a PEM file of the roots that time-stamps are trusted by, or system"+more)
}

// tokens returns what checks tokens by roots: those in a file, whose text it returns, or
// the system's. Without roots it returns nil.
func tokens(roots string) (check func(token, checkpoint []byte) (time.Time, error), pem []byte, err error) {
	if roots == "" {
		return nil, nil, nil
	}
	pool, err := x509.SystemCertPool()
	if roots != "system" {
		pem, err = os.ReadFile(roots)
		if pool = x509.NewCertPool(); err == nil && !pool.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("%w: --tsa-roots: %s has no certificate in PEM", errUsage, roots)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the roots of time-stamps: %w", err)
	}
	return func(token, checkpoint []byte) (time.Time, error) {
		t, err := stamp.Verify(token, checkpoint, pool)
		return t.Time, err
	}, pem, nil
}
