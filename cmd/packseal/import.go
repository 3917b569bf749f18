package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"packseal.example/config"
	"packseal.example/control"
	"packseal.example/daemon"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/period"
	"packseal.example/internal/table"
)

// newImport makes the verb for reports from before packseal.
func newImport() *cobra.Command {
	c := &cobra.Command{
		Use: "import FILE… --pack PACK", Short: "Seal reports that were kept by hand, marked as imported",
		Long: `import seals reports that packseal did not fetch, such as those that were downloaded
by hand before. Their manifests say who imported them, when, and from which file, and
nothing that only packseal's own request would tell: not when they were made or
requested. A slot that is a gap becomes sealed; its gap record stays beside it. A
sealed report is never replaced.

--due says which slot the report is of: a date is that day's slot in the pack's own
time zone, if it has exactly one; an RFC 3339 time is taken as it is. Without --due it
is the date in the name of each file, as 2026-03-31 or 20260331; a name must have
exactly one, which is how to import many files at once.

Each file is checked like a downloaded report: what cannot be one, such as an error
page, is refused. Every sink must answer. import asks the source for nothing, and is
safe beside a running daemon, which it tells what it has sealed.`,
		Example: `  packseal import march.xls --pack cp-fdc8626622af00f90000 --due 2026-03-31
  packseal import march.xls --pack cp-fdc8626622af00f90000 --due 2026-03-31T18:00:00+08:00
  packseal import reports/mlps-2025-*.xls --pack cp-fdc8626622af00f90000 --who "Li Wei"`,
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	var i importer
	pack := c.Flags().String("pack", "", "the pack, also one that left the configuration; required")
	c.Flags().StringVar(&i.due, "due", "", "the day or the time when the report was due; default: the date in the file's name")
	c.Flags().StringVar(&i.who, "who", "", "who imports the reports, for their manifests; default: this user")
	c.RegisterFlagCompletionFunc("pack", completePacks) //nolint:errcheck // the flag is there
	c.RunE = func(c *cobra.Command, files []string) error {
		if i.who = strings.TrimSpace(table.Plain(i.who)); !c.Flags().Changed("who") {
			i.who = whoami()
		}
		switch {
		case len(files) == 0 || *pack == "":
			return fmt.Errorf("%w: import takes files, and --pack", errUsage)
		case len(files) > 1 && i.due != "":
			return fmt.Errorf("%w: --due is for one file; without it, each file's name has its date", errUsage)
		case i.who == "" || utf8.RuneCountInString(i.who) > maxWho:
			return fmt.Errorf("%w: --who takes a name of at most %d characters", errUsage, maxWho)
		}
		cfg, err := load(*path, c.ErrOrStderr())
		if err == nil {
			err = refuseRoot(cfg)
		}
		if err != nil {
			return err
		}
		i.reading = &reading{cfg: cfg, state: cfg.StateDir, cmd: c}
		i.Archive, err = daemon.OpenArchive(c.Context(), cfg, daemon.ArchiveOptions{Tool: tool(), Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			i.entry, err = i.one(c.Context(), *pack)
		}
		if err != nil {
			return err
		}
		i.sealer = sealer{out: c.OutOrStdout(), talk: c.ErrOrStderr(), client: control.NewClient(cfg.StateDir), asJSON: *asJSON}
		defer commitLedger(c.Context(), cfg, c.ErrOrStderr())
		return i.all(c.Context(), files)
	}
	return c
}

// maxWho bounds the name of who imports, in characters.
const maxWho = 120

// importer is one run of import.
type importer struct {
	*reading
	sealer   sealer
	entry    config.Entry
	due, who string
}

// all imports the files, one after another. One that can't be imported does not keep
// the others.
func (i *importer) all(ctx context.Context, files []string) error {
	var errs []error
	for _, file := range files {
		o := i.file(ctx, file)
		if o.err != nil {
			o.err = fmt.Errorf("%s: %w", file, o.err)
			o.Error, o.Reason = o.err.Error(), fault.Of(o.err)
		}
		i.sealer.report(ctx, o)
		if i.sealer.asJSON {
			if err := o.printJSON(i.sealer.out); err != nil {
				return err
			}
		}
		errs = append(errs, o.err)
	}
	return firstLasting(errs)
}

// file imports one file.
func (i *importer) file(ctx context.Context, file string) (o outcome) {
	o.Source, o.Pack = i.entry.Pack.Source, i.entry.Pack.Key()
	f, err := os.Open(file)
	if err != nil {
		o.err = err
		return o
	}
	defer f.Close() //nolint:errcheck // read only
	if o.Due, o.err = i.slotDue(ctx, filepath.Base(file)); o.err != nil {
		return o
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	from := evidence.Imported{At: now, By: i.who, File: strings.ToValidUTF8(filepath.Base(file), "\ufffd")}
	var r evidence.Record
	if r, o.err = i.Import(ctx, o.Slot, f, from, i.cfg.Fetch); r.State != "" {
		o.Record, o.Already = r, r.Settled.Before(now)
	}
	return o
}

// slotDue returns when the slot fell due that a file's report is of.
func (i *importer) slotDue(ctx context.Context, name string) (time.Time, error) {
	text := i.due
	if text == "" {
		var err error
		if text, err = dateIn(name); err != nil {
			return time.Time{}, err
		}
	}
	from, to, err := period.Read(text, i.entry.Zone())
	if err != nil {
		return from, fmt.Errorf("%w: --due: %w", errUsage, err)
	}
	if to.Sub(from) == time.Second { // a time, and no day
		return from.UTC(), nil
	}
	dues, err := i.Dues(ctx, i.entry.Plan, from, to)
	switch {
	case err != nil:
		return from, err
	case len(dues) == 0:
		return from, fault.New(fault.Request, "no slot of %s was due on %s (%s)", i.entry.Key(), text, i.entry.TimeZone).
			WithHint("give the time that the report is of, such as --due %s", from.In(i.entry.Zone()).Format(time.RFC3339))
	case len(dues) > 1:
		return from, fault.New(fault.Request, "%d slots of %s were due on %s (%s): %s", len(dues), i.entry.Key(), text, i.entry.TimeZone, i.times(dues)).
			WithHint("give the time of one of them as --due")
	}
	return dues[0], nil
}

// times lists times in the pack's zone, the first ones of many.
func (i *importer) times(all []time.Time) string {
	const most = 5
	var texts []string
	for _, t := range all[:min(len(all), most)] {
		texts = append(texts, t.In(i.entry.Zone()).Format(time.RFC3339))
	}
	if len(all) > most {
		texts = append(texts, "…")
	}
	return strings.Join(texts, ", ")
}

// dateIn returns the one date in a file's name, as 2026-03-31.
func dateIn(name string) (string, error) {
	var dates []string
	for number := range strings.FieldsFuncSeq(name, func(r rune) bool { return (r < '0' || r > '9') && r != '-' }) {
		for _, layout := range []string{time.DateOnly, "20060102"} {
			if day, err := time.Parse(layout, strings.Trim(number, "-")); err == nil {
				dates = append(dates, day.Format(time.DateOnly))
			}
		}
	}
	if len(dates) != 1 {
		return "", fault.New(fault.Request, "the name has %d dates, not one", len(dates)).WithHint("import the file by itself, with --due")
	}
	return dates[0], nil
}
