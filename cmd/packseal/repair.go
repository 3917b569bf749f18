package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive"
)

// newRepair makes the verb that copies to sinks what they lack.
func newRepair() *cobra.Command {
	c := &cobra.Command{
		Use: "repair [PACK…]", Short: "Copy to a sink what it lacks, from another one",
		Long: `repair verifies as verify does, and then copies to each sink what it lacks from
another one: reports that are missing, and slots, gap records, plans and
acknowledgements that it does not have. So it also fills a sink that was added later.
Every byte is checked before it is passed on: a record must be one that the ledger has
an entry of, if the configuration has a ledger, and a report what its manifest says.

Nothing is ever replaced. Of an object that is damaged, repair says which sink has a
good copy: move the damaged one away with the store's own tools, and repair again.

--sink repairs this sink alone, and reads the reports of no other one but those that
are copied. repair may run beside the daemon, be interrupted, and be repeated. It ends
as verify does, with 3 if there are problems left. The daemon repairs by itself where
the configuration has verify with repair.`,
		Example: `  packseal repair --config packseal.yaml
  packseal repair --sink mirror
  packseal repair cp-fdc8626622af00f90000 --from 2026-01-01 --to 2026-03-31`,
		ValidArgsFunction: completePacks,
	}
	path, asJSON, bounds := configFlag(c), jsonFlag(c), periodFlags(c)
	sinks := c.Flags().StringArray("sink", nil, "repair this sink alone (repeatable)")
	c.RegisterFlagCompletionFunc("sink", completeSinks) //nolint:errcheck // the flag is there
	c.RunE = func(c *cobra.Command, args []string) error {
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
		selection := archive.Selection{Reports: *sinks}
		if selection.Packs, err = r.spans(c.Context(), args, *bounds); err != nil {
			return err
		}
		done := showProgress(c.ErrOrStderr(), &selection)
		result, unread := r.Verify(c.Context(), selection)
		done()
		repair := archive.Repair{Sinks: *sinks}
		done = showRepair(c.ErrOrStderr(), &repair)
		unread = errors.Join(unread, r.Repair(c.Context(), &result, repair))
		done()
		return r.conclude(result, unread, selection, *asJSON)
	}
	return c
}

// showRepair shows on a terminal how far a repair has come; done removes it.
func showRepair(w io.Writer, r *archive.Repair) (done func()) {
	show, done := progressLine(w)
	began := time.Now()
	r.Progress = func(n, of int, bytes int64) {
		seconds := max(time.Since(began).Seconds(), 0.001)
		show(fmt.Sprintf("repaired %d of %d, %.0f a second, %.1f MB", n, of, float64(n)/seconds, float64(bytes)/1e6))
	}
	return done
}
