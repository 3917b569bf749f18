package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"packseal.example/archive/audit"
)

// newStatement makes the verb that shows what a bundle's statement says.
func newStatement() *cobra.Command {
	c := &cobra.Command{
		Use: "statement [PACK…]", ValidArgsFunction: completePacks, Short: "Say what was due within a period, and what became of it",
		Long: `statement computes from the ledger what was due within a period and what became of it:
reports sealed, late, gaps with their reasons, missing ones, what was not due any more
because a plan changed, the longest time without a time-stamp, and what it does not
prove. It is the statement of a bundle of that period, and packseal audit comes to the
same from the bundle.

A period that is not over ends now. --html writes a page that prints well, in English
and Chinese. It exits with 3 if there are findings. The statement's hash is logged in
the ledger; with --key or --dir it is not: that takes the key that signs.`,
		Example: `  packseal statement --from 2026-01-01 --to 2026-03-31 --zone Asia/Shanghai
  packseal statement --from 2026-03-01 --to 2026-03-31 --html > march.html
  packseal statement --from 2026-03-01 --to 2026-03-31 --json cp-fdc8626622af00f90000 | jq .counts`,
	}
	asJSON := jsonFlag(c)
	asHTML := c.Flags().Bool("html", false, "write a page, for a browser or to be printed")
	lang := langFlag(c)
	c.MarkFlagsMutuallyExclusive("json", "html")
	return newProving(c, true, func(ctx context.Context, p *proving, _ []string) error {
		if err := checkLang(*lang); err != nil {
			return err
		}
		m, err := p.Statement(ctx, p.period)
		if err != nil {
			return err
		}
		p.log(ctx, m)
		if !*asHTML {
			return p.print(m, *lang, *asJSON)
		}
		if err = m.Page(c.OutOrStdout(), *lang); err == nil && len(m.Findings) > 0 {
			err = errDamage
		}
		return err
	})
}

// langFlag adds --lang to a verb.
func langFlag(c *cobra.Command) *string {
	lang := c.Flags().String("lang", audit.English, "the language: en or zh")
	c.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{audit.English, audit.Chinese}, cobra.ShellCompDirectiveNoFileComp)) //nolint:errcheck // the flag is there
	return lang
}

func checkLang(lang string) error {
	if lang != audit.English && lang != audit.Chinese {
		return fmt.Errorf("%w: --lang takes en or zh, not %.40q", errUsage, lang)
	}
	return nil
}
