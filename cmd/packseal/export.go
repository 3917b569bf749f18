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
	"packseal.example/internal/period"
)

// newExport makes the verb that writes reports into a folder, under names for
// people.
func newExport() *cobra.Command {
	c := &cobra.Command{
		Use: "export [PACK…]", ValidArgsFunction: completePacks, Short: "Write sealed reports into a folder, under readable names",
		Long: `export writes the sealed reports of the packs named (none named: of all) into a
folder, as "2026-03-31 MLPS level 3 (cp-fdc8626622af00f90000).xls": the slot's day
in the time zone of the pack, with the time of day if the day has several. Each is
checked as cat does; one that is not what its manifest says is left out, and export
exits with 3. It prints the path of each file. A file that is there already is kept
if it is the report, and never replaced.`,
		Example: "  packseal export --config packseal.yaml --output audit --from 2026-01-01 --to 2026-03-31\n  packseal export --output audit cp-fdc8626622af00f90000",
	}
	x := exporting{period: periodFlags(c)}
	c.Flags().StringVarP(&x.dir, "output", "o", "", "the folder, which is made if it is not there")
	return newReading(c, func(ctx context.Context, r *reading, args []string) error {
		if x.dir == "" {
			return fmt.Errorf("%w: export needs --output DIR", errUsage)
		}
		entries, unlisted := r.packs(ctx, args)
		if len(entries) == 0 {
			return unlisted
		}
		if err := os.MkdirAll(x.dir, 0o755); err != nil {
			return err
		}
		x.reading = r
		failed := unlisted
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
	*reading
	period *period.Bounds
	dir    string
}

// pack exports the reports of a pack. Reports that can't be exported are printed, and
// the error is errSilent.
func (x exporting) pack(ctx context.Context, e config.Entry) error {
	from, to, err := within(*x.period, e)
	if err != nil {
		return err
	}
	var failed error
	fail := func(what any, err error) {
		printError(x.cmd.ErrOrStderr(), fmt.Errorf("%s: %w", what, err))
		if fault.Of(err) == fault.Damaged {
			err = errDamaged
		}
		failed = errors.Join(failed, fmt.Errorf("%w: %w", errSilent, err))
	}
	var slots []evidence.Slot
	days := make(map[string]int) // how many slots each has
	for l, err := range x.List(ctx, e.Pack.Source, e.Pack.Key(), from, to) {
		switch {
		case errors.Is(err, catalog.ErrIncomplete):
			fail(e.Key(), fmt.Errorf("some reports may be left out: %w", err))
		case err != nil:
			return err
		case l.State == evidence.Sealed:
			slots = append(slots, l.Slot)
			days[l.Due.In(e.Zone()).Format(time.DateOnly)]++
		}
	}
	for _, s := range slots {
		layout := time.DateOnly
		if days[s.Due.In(e.Zone()).Format(layout)] > 1 {
			layout += " 150405"
		}
		if err := x.slot(ctx, e.Pack, s, layout); err != nil {
			if ctx.Err() != nil {
				return err
			}
			if errors.Is(err, archive.ErrPruned) {
				fmt.Fprintf(x.cmd.ErrOrStderr(), "note: %v\n", err)
				continue
			}
			fail(s, err)
		}
	}
	return failed
}

// slot exports one report.
func (x exporting) slot(ctx context.Context, p evidence.Pack, s evidence.Slot, layout string) error {
	m, _, err := x.Manifest(ctx, s)
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
		if err = errors.Join(x.Export(ctx, s, f), f.Close()); err != nil {
			err = errors.Join(err, os.Remove(file))
		}
	}
	if err == nil {
		_, err = fmt.Fprintln(x.cmd.OutOrStdout(), file)
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
