package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive"
	"packseal.example/archive/ledger"
	"packseal.example/config"
	"packseal.example/daemon"
	"packseal.example/internal/fault"
	"packseal.example/internal/period"
)

// newRestore makes the verb that copies the archive into a folder, checking every byte.
func newRestore() *cobra.Command {
	c := &cobra.Command{
		Use: "restore [PACK…]", Short: "Copy the archive into a folder, every byte checked, and say how long it took",
		Long: `restore copies the archive from the sinks into a folder, as a local sink has it:
reports, records, plans and the ledger. A restore drill: what it wrote can be verified
(packseal verify --dir DIR), and be used as a sink.

Every byte is checked before it is written. The ledger comes first: its batches must
lead from the signed tip to the first. Then each record must be one that the ledger has
an entry of, and each report what its manifest says. Of each object the first good copy
is taken, in the order of the sinks. Copies that are not good, records that the ledger
does not know and entries without a record are printed, and restore exits with 3.

What is in the folder already is checked and not fetched again, so that an interrupted
restore goes on; other files are never replaced. --key takes the verifier key of the
ledger, if the configuration has none; without a ledger, manifests alone are what is
checked against. Packs, --source and a period of due times choose slots; the ledger is
copied whole.`,
		Example: `  packseal restore --config packseal.yaml --dir /srv/drill
  packseal restore --dir /srv/drill --sink mirror --from 2026-01-01 --to 2026-03-31
  packseal restore --dir /srv/drill --source prod --json`,
		ValidArgsFunction: completePacks,
	}
	var x restoring
	path, asJSON, bounds := configFlag(c), jsonFlag(c), periodFlags(c)
	c.Flags().StringVar(&x.dir, "dir", "", "the folder, which is made if it is not there; required")
	c.Flags().StringVar(&x.source, "source", "", "copy the packs of this source alone")
	c.Flags().StringVar(&x.key, "key", "", "the verifier key of the ledger; default: that of the configuration")
	c.Flags().StringArrayVar(&x.selection.Sinks, "sink", nil, "read from this sink alone (repeatable)")
	c.RegisterFlagCompletionFunc("sink", completeSinks)     //nolint:errcheck // the flag is there
	c.RegisterFlagCompletionFunc("source", completeSources) //nolint:errcheck // the flag is there
	c.RunE = func(c *cobra.Command, args []string) error {
		if x.dir == "" {
			return fmt.Errorf("%w: restore needs --dir DIR", errUsage)
		}
		cfg, err := load(*path, c.ErrOrStderr())
		if err == nil {
			err = apart(cfg, x.dir)
		}
		if err != nil {
			return err
		}
		if x.reading, err = openReading(c, cfg, cfg.StateDir, x.key); err != nil {
			return err
		}
		if x.selection.Packs, err = x.chosen(c.Context(), args, *bounds); err != nil {
			return err
		}
		began := time.Now()
		err = x.run(c.Context())
		damaged := len(x.restored.Problems)+len(x.restored.LedgerProblems) > 0
		if err == nil || damaged {
			if err := x.print(c.OutOrStdout(), time.Since(began), *asJSON); err != nil {
				return err
			}
		}
		switch {
		case err != nil && damaged:
			return fmt.Errorf("%w; also %w", errDamaged, err)
		case fault.Of(err) == fault.Request:
			return fmt.Errorf("%w: %w", errUsage, err)
		case err == nil && damaged:
			return errDamage
		}
		return err
	}
	return c
}

// restoring is a run of restore.
type restoring struct {
	*reading
	dir, source, key string
	selection        archive.Selection
	restored         restored
}

// restored is what restore prints as JSON.
type restored struct {
	Dir string `json:"dir"`
	archive.Restored
	Ledger         string           `json:"ledger,omitempty"`          // its checkpoint: origin, size and root
	LedgerObjects  int              `json:"ledger_objects,omitempty"`  // that are in the folder
	LedgerProblems []ledger.Problem `json:"ledger_problems,omitempty"` // copies of these that are not as they should be
	Seconds        float64          `json:"seconds"`
	Rate           float64          `json:"mb_per_second"` // of bytes that were read from sinks
}

// apart returns an error if a folder is that of a sink, which nothing can be restored to.
func apart(cfg *config.Config, dir string) error {
	is, err := os.Stat(dir)
	for _, s := range cfg.Sinks {
		if s.Local == nil {
			continue
		}
		if of, err2 := os.Stat(s.Local.Dir); err == nil && err2 == nil && os.SameFile(is, of) {
			return fmt.Errorf("%w: %s is the folder of sink %s; packseal repair brings a sink what it lacks", errUsage, dir, s.Name)
		}
	}
	return nil
}

// chosen returns what names, a source and a period select; nothing if that is everything.
func (x *restoring) chosen(ctx context.Context, names []string, b period.Bounds) ([]archive.Span, error) {
	if x.source == "" {
		return x.spans(ctx, names, b)
	}
	entries, err := x.packs(ctx, names)
	if err != nil {
		return nil, err
	}
	var spans []archive.Span
	for _, e := range entries {
		if e.Source != x.source {
			continue
		}
		from, to, err := within(b, e)
		if err != nil {
			return nil, err
		}
		spans = append(spans, archive.Span{PackRef: e.PackRef, From: from, To: to})
	}
	if len(spans) == 0 {
		return nil, fmt.Errorf("%w: source %.100q has none of the packs", errUsage, x.source)
	}
	return spans, nil
}

// run restores the ledger, and then the slots.
func (x *restoring) run(ctx context.Context) error {
	x.restored = restored{Dir: x.dir, Restored: archive.Restored{Problems: []archive.Problem{}}}
	if err := os.MkdirAll(x.dir, 0o750); err != nil {
		return err
	}
	folder, err := config.Copy(x.dir)
	if err != nil {
		return err
	}
	to := archive.Target{Name: x.dir}
	if to.Sink, err = folder.Sinks[0].Opener().Open(ctx); err != nil {
		return err
	}
	o := archive.Restore{Selection: x.selection, To: to}
	view, err := x.look(ctx, to)
	if err != nil {
		return err
	}
	if view != nil {
		o.Entries = view.Entries
		x.restored.Ledger = view.Checkpoint().String()
		copied, err := view.CopyTo(ctx, ledger.Target(to))
		x.restored.LedgerObjects, x.restored.LedgerProblems = copied.Objects, copied.Problems
		if err != nil {
			return err
		}
	}
	done := showProgress(x.cmd.ErrOrStderr(), &o.Selection)
	defer done()
	x.restored.Restored, err = x.Restore(ctx, o)
	return err
}

// look looks at the ledger in the chosen sinks; nil = there is none. What the folder has
// of it already need not be fetched again.
func (x *restoring) look(ctx context.Context, to archive.Target) (*ledger.View, error) {
	sinks, err := x.selection.Targets(x.Sinks)
	if err != nil {
		return nil, err
	}
	v, err := daemon.LookAtLedger(ctx, x.cfg, append([]archive.Target{to}, sinks...), x.key, x.Logger)
	if err != nil {
		return nil, fmt.Errorf("nothing was restored, as the ledger could not be checked: %w", err)
	}
	return v, nil
}

// print prints what was restored.
func (x *restoring) print(w io.Writer, took time.Duration, asJSON bool) error {
	r := &x.restored
	r.Seconds = float64(took.Milliseconds()) / 1000
	r.Rate = float64(int64(float64(r.Bytes)/1e5/max(took.Seconds(), 0.001))) / 10
	if asJSON {
		return printJSON(w, r)
	}
	var errs []error
	line := func(format string, args ...any) {
		_, err := fmt.Fprintf(w, format+"\n", args...)
		errs = append(errs, err)
	}
	for _, p := range r.LedgerProblems {
		line("%s\t%s\t%s\t%s", p.Kind, p.Sink, p.Key, p.Detail)
	}
	for _, p := range r.Problems {
		line("%s\t%s\t%s\t%s", p.Kind, p.Sink, p.Key, p.Detail)
	}
	if r.Ledger != "" {
		line("ledger %s: %d objects", r.Ledger, r.LedgerObjects)
	}
	line("%d sealed, %d gaps, %d objects in %s, %d reports of them new; %.1f MB read in %.1f s, %.1f MB/s: %d problems",
		r.Sealed, r.Gaps, r.Objects, filepath.Clean(r.Dir), r.Copied, float64(r.Bytes)/1e6, r.Seconds, r.Rate, len(r.Problems)+len(r.LedgerProblems))
	return errors.Join(errs...)
}
