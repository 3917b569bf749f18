package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive/audit"
	"packseal.example/archive/bundle"
	"packseal.example/archive/ledger"
	"packseal.example/daemon"
	"packseal.example/internal/fault"
	"packseal.example/internal/period"
)

// proving is what verbs that prove something work with.
type proving struct {
	*reading
	bundle.Source
	ledger *ledger.Ledger // nil = nothing can be logged
	period audit.Period
}

// newProving makes a verb that reads archive and ledger; of a period if timed.
func newProving(c *cobra.Command, timed bool, do func(context.Context, *proving, []string) error) *cobra.Command {
	var bounds *period.Bounds
	var zone *string
	if timed {
		bounds, zone = periodFlags(c), c.Flags().String("zone", "", "the time zone of days, an IANA name; default: that of the configuration's defaults")
		c.Flags().Lookup("from").Usage = "the first day, as a date, or an RFC 3339 time; required"
		c.Flags().Lookup("to").Usage = "the last day, which is included, or a time; required"
	}
	roots := tsaRootsFlag(c, "; default: those of the configuration, or the system's")
	return newReading(c, func(ctx context.Context, r *reading, args []string) (err error) {
		p := &proving{reading: r}
		if timed {
			if p.period, err = p.of(ctx, *bounds, *zone, args); err != nil {
				return err
			}
		}
		if r.key == "" && r.state == "" {
			return fmt.Errorf("%w: --dir needs --key: the ledger's verifier key", errUsage)
		}
		if r.key == "" {
			if err := refuseRoot(r.cfg); err != nil {
				return err
			}
		}
		p.Source, p.ledger, err = daemon.OpenProofs(ctx, r.cfg, r.Archive, r.key, daemon.LedgerOptions{Tool: tool(), Logger: r.Logger})
		if err == nil {
			err = p.trust(*roots)
		}
		if err != nil {
			return err
		}
		return do(ctx, p, args)
	})
}

// trust has time-stamps checked by these roots, if there are any.
func (p *proving) trust(roots string) error {
	check, pem, err := tokens(roots)
	if err == nil && check != nil {
		p.Stamp = func(_ string, token, checkpoint []byte) (time.Time, error) { return check(token, checkpoint) }
		p.Roots = pem
	}
	return err
}

// of returns the period of a verb.
func (p *proving) of(ctx context.Context, b period.Bounds, zone string, packs []string) (of audit.Period, err error) {
	if b.From == "" || b.To == "" {
		return of, fmt.Errorf("%w: --from and --to are required", errUsage)
	}
	if of.Zone = zone; zone == "" {
		of.Zone = cmp.Or(p.cfg.Defaults.TimeZone, "UTC")
	}
	place, err := time.LoadLocation(of.Zone)
	if err != nil || of.Zone == "Local" {
		return of, fmt.Errorf("%w: --zone: %.100q is not a time zone; Asia/Shanghai is one", errUsage, of.Zone)
	}
	if of.From, of.Until, err = b.In(place); err != nil {
		return of, fmt.Errorf("%w: --%w", errUsage, err)
	}
	of.From, of.Until = of.From.UTC(), of.Until.UTC()
	if of, err = of.Ended(time.Now()); err != nil {
		return of, fmt.Errorf("%w: --from: %w", errUsage, err)
	}
	if len(packs) == 0 {
		return of, nil
	}
	entries, err := p.packs(ctx, packs)
	for _, e := range entries {
		of.Packs = append(of.Packs, e.Pack.Source+"/"+e.Pack.Key())
	}
	slices.Sort(of.Packs)
	of.Packs = slices.Compact(of.Packs)
	return of, err
}

// progress shows on a terminal how far a bundle has come; done removes it.
func (p *proving) progress() (show func(bundle.Progress), done func()) {
	w := p.cmd.ErrOrStderr()
	if !terminal(w) {
		return nil, func() {}
	}
	const clear = "\r\x1b[K"
	last := time.Time{}
	return func(b bundle.Progress) {
		if time.Since(last) < 100*time.Millisecond {
			return
		}
		last = time.Now()
		fmt.Fprintf(w, "%s%d of %d records, %d of %d reports", clear, b.Records, b.OfRecords, b.Reports, b.OfReports)
	}, func() { io.WriteString(w, clear) } //nolint:errcheck // it is for looking at
}

// print prints what was made. Findings are errDamage.
func (p *proving) print(m bundle.Made, lang string, asJSON bool) (err error) {
	if out := p.cmd.OutOrStdout(); asJSON {
		_, err = out.Write(append(m.Raw, '\n'))
	} else {
		_, err = io.WriteString(out, m.Text(lang))
	}
	if err == nil && len(m.Findings) > 0 {
		err = errDamage
	}
	return err
}

// log logs a statement. That it was not is said.
func (p *proving) log(ctx context.Context, m bundle.Made) {
	talk := p.cmd.ErrOrStderr()
	if p.ledger == nil {
		fmt.Fprintln(talk, "note: the statement was not logged: that takes the key that signs the ledger")
		return
	}
	if m.Logged {
		return
	}
	err := p.ledger.LogRecord(ctx, m)
	if err == nil {
		err = p.ledger.Commit(ctx)
	}
	if err != nil && fault.Of(err) != fault.Busy { // the daemon is at it
		fmt.Fprintf(talk, "warning: the statement was not logged: %v\n", err)
	}
}
