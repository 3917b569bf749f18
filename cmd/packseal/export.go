package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// newExport makes the verb that writes reports into a folder, under names for
// people.
func newExport() *cobra.Command {
	c := &cobra.Command{
		Use: "export [PACK…]", Short: "Write sealed reports into a folder, under readable names",
		Long: `export writes the sealed reports of the packs named (none named: of all) into a
folder, as "2026-03-31 MLPS level 3 (cp-fdc8626622af00f90000).xls": the slot's day
in the time zone of the pack, with the time of day if the day has several. Each is
checked as cat does; one that is not what its manifest says is left out, and export
exits with 3. It prints the path of each file. A file that is there already is kept
if it is the report, and never replaced.`,
		Example: "  packseal export --config packseal.yaml --output audit --from 2026-01-01 --to 2026-03-31\n  packseal export --output audit cp-fdc8626622af00f90000",
	}
	x := exporting{}
	c.Flags().StringVarP(&x.dir, "output", "o", "", "the folder, which is made if it is not there")
	c.Flags().StringVar(&x.from, "from", "", "the first day, as 2026-01-01; all before, if it is left out")
	c.Flags().StringVar(&x.to, "to", "", "the last day")
	return reading(c, func(ctx context.Context, cfg *config.Config, a *archive.Archive, args []string) error {
		if x.dir == "" {
			return fmt.Errorf("%w: export needs --output DIR", errUsage)
		}
		entries, err := choose(cfg, args)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(x.dir, 0o755); err != nil {
			return err
		}
		x.archive, x.stdout, x.stderr = a, c.OutOrStdout(), c.ErrOrStderr()
		var failed error
		for _, e := range entries {
			if err := x.pack(ctx, e); err != nil && !errors.Is(err, errSilent) {
				return err
			} else if err != nil {
				failed = errors.Join(failed, err)
			}
		}
		return failed
	})
}

// exporting is a run of export.
type exporting struct {
	archive        *archive.Archive
	dir, from, to  string
	stdout, stderr io.Writer
}

// period returns the beginning of the first day and the end of the last, in a zone;
// zero is open.
func (x exporting) period(zone *time.Location) (from, to time.Time, err error) {
	day := func(flag, text string) (t time.Time) {
		if text == "" {
			return t
		}
		t, e := time.ParseInLocation(time.DateOnly, text, zone)
		if e != nil {
			err = cmp.Or(err, fmt.Errorf("%w: --%s %q is not a day like 2026-01-31", errUsage, flag, text))
		}
		return t
	}
	if from, to = day("from", x.from), day("to", x.to); !to.IsZero() {
		to = to.AddDate(0, 0, 1)
	}
	return from, to, err
}

// pack exports the reports of a pack. Reports that can't be exported are printed, and
// the error is errSilent.
func (x exporting) pack(ctx context.Context, e config.Entry) error {
	from, to, err := x.period(e.Location())
	if err != nil {
		return err
	}
	var failed error
	fail := func(what any, err error) {
		printError(x.stderr, fmt.Errorf("%s: %w", what, err))
		if fault.Of(err) == fault.Damaged {
			err = errDamage
		}
		failed = errors.Join(failed, fmt.Errorf("%w: %w", errSilent, err))
	}
	var slots []evidence.Slot
	days := make(map[string]int) // how many slots each has
	for l, err := range x.archive.List(ctx, e.Pack.Source, e.Pack.Key(), from, to) {
		switch {
		case errors.Is(err, catalog.ErrIncomplete):
			fail(e.Key(), fmt.Errorf("some reports may be left out: %w", err))
		case err != nil:
			return err
		case l.State == evidence.Sealed:
			slots = append(slots, l.Slot)
			days[l.Due.In(e.Location()).Format(time.DateOnly)]++
		}
	}
	for _, s := range slots {
		layout := time.DateOnly
		if days[s.Due.In(e.Location()).Format(layout)] > 1 {
			layout += " 150405"
		}
		if err := x.slot(ctx, e.Pack, s, layout); err != nil {
			if ctx.Err() != nil {
				return err
			}
			fail(s, err)
		}
	}
	return failed
}

// slot exports one report.
func (x exporting) slot(ctx context.Context, p evidence.Pack, s evidence.Slot, layout string) error {
	m, _, err := x.archive.Manifest(ctx, s)
	if err != nil {
		return err
	}
	p.Name = cmp.Or(m.Name, p.Name)
	file := filepath.Join(x.dir, p.FileName(s.Due, layout, m.Ext()))
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		err = holds(file, m.SHA256)
	case err == nil:
		if err = errors.Join(x.archive.Export(ctx, s, f), f.Close()); err != nil {
			err = errors.Join(err, os.Remove(file))
		}
	}
	if err == nil {
		_, err = fmt.Fprintln(x.stdout, file)
	}
	return err
}

// holds returns an error unless a file has that SHA-256, in hex.
func holds(file, sum string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		return fault.New(fault.Conflict, "%s is there and is another file", file).WithHint("move it away, or export into another folder")
	}
	return nil
}
