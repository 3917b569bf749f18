package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/internal/evidence"
	"packseal.example/internal/i18n"
	"packseal.example/internal/period"
	"packseal.example/internal/table"
)

const (
	// tableSlots is how many slots of a pack a table shows without --limit.
	tableSlots = 100
	// localTime is how tables show a time in a pack's own zone.
	localTime = "2006-01-02 15:04:05 MST"
	// shortDetail is how much of a gap's detail a table shows, in characters.
	shortDetail = 160
)

// lister is one run of list.
type lister struct {
	*reading
	period  period.Bounds
	state   string
	limit   int
	all     bool
	asJSON  bool
	archive bool // do not ask the daemon

	table  *table.Writer
	more   int   // packs that have slots beyond the limit
	unread error // records that could not be read
	acked  bool  // the table has a column for acknowledgements
}

// newList makes the verb that prints records. A daemon that runs with this
// configuration answers at once; otherwise each pack's records are read from the
// archive one by one as they are printed: a pack of many years takes no memory,
// and the first lines come at once.
func newList() *cobra.Command {
	c := &cobra.Command{
		Use: "list [PACK…]", Short: "List settled slots, the newest of each pack first",
		Long: `list prints the settled slots of the packs named; none named: of all, also of those
that left the configuration. It asks the daemon that runs with this configuration
on this machine, if there is one and it has read the pack's history; otherwise, or
with --archive, it reads the archive.

--from and --to take dates, which are whole days in the pack's own time zone, both
included, or RFC 3339 times. A table has the newest 100 slots of each pack, unless
--limit or --all says otherwise; --json has all.`,
		Example:           "  packseal list\n  packseal list --from 2026-01-01 --to 2026-03-31 --state gap\n  packseal list --json cp-fdc8626622af00f90000\n  packseal list --dir /mnt/evidence",
		ValidArgsFunction: completePacks,
	}
	var l lister
	asJSON, bounds := jsonFlag(c), periodFlags(c)
	c.Flags().StringVar(&l.state, "state", "", "only slots of this state: sealed or gap")
	c.Flags().IntVarP(&l.limit, "limit", "n", 0, "at most so many slots of each pack, the newest")
	c.Flags().BoolVar(&l.all, "all", false, "all slots")
	c.Flags().BoolVar(&l.archive, "archive", false, "read the archive itself, also when a daemon runs")
	c.MarkFlagsMutuallyExclusive("limit", "all")
	return newReading(c, func(ctx context.Context, r *reading, args []string) error {
		l.reading, l.period, l.asJSON = r, *bounds, *asJSON
		switch {
		case l.state != "" && l.state != string(evidence.Sealed) && l.state != string(evidence.Gapped):
			return fmt.Errorf("%w: --state takes sealed or gap, not %.40q", errUsage, l.state)
		case l.limit < 0:
			return fmt.Errorf("%w: --limit takes a number of slots", errUsage)
		case l.limit == 0 && !l.all && !l.asJSON:
			l.limit = tableSlots
		}
		return l.run(ctx, args)
	})
}

// run prints the slots of the packs named. One that can't be read does not hide
// the others, and neither do packs that can't be looked for.
func (l *lister) run(ctx context.Context, names []string) error {
	entries, unlisted := l.packs(ctx, names)
	if len(entries) == 0 && unlisted != nil {
		return unlisted
	}
	if !l.asJSON {
		l.table = table.New(l.cmd.OutOrStdout(), "STATE", "SLOT", "DUE", "NAME", "BYTES", "SHA-256, OR WHY NOT")
	}
	for _, e := range entries {
		if err := l.pack(ctx, e); err != nil {
			return errors.Join(l.flush(), err)
		}
	}
	if err := l.flush(); err != nil {
		return err
	}
	if unlisted != nil {
		fmt.Fprintf(l.cmd.ErrOrStderr(), "warning: packs that left the configuration were not looked for: %v\n", unlisted)
	}
	if l.unread != nil {
		return fmt.Errorf("%w: %w", errSilent, l.unread)
	}
	return nil
}

// flush prints what waits, and that there is more.
func (l *lister) flush() (err error) {
	if l.table == nil {
		return nil
	}
	if err = l.table.Flush(); err == nil && l.more > 0 {
		_, err = fmt.Fprintf(l.cmd.OutOrStdout(), "older slots of %s with --all\n", i18n.Count(l.more, "pack"))
	}
	return err
}

// pack prints the slots of one pack.
func (l *lister) pack(ctx context.Context, e config.Entry) error {
	from, to, err := within(l.period, e)
	if err != nil {
		return err
	}
	q := catalog.Query{Source: e.Pack.Source, Pack: e.Pack.Key(), From: from, To: to, State: evidence.State(l.state), Limit: l.limit}
	if q.Limit > 0 {
		q.Limit++ // one more shows that there are others
	}
	n := 0
	for r, err := range l.records(ctx, q, !l.archive) {
		if n++; l.limit > 0 && n > l.limit {
			l.more++
			break
		}
		if e.Schedule == "" { // it is not in the configuration, and is called what its manifests say
			e.Pack.Name = cmp.Or(r.Name, e.Pack.Name)
		}
		switch {
		case err == nil:
			err = l.print(ctx, r, e)
		case r.State != "": // the others may be good
			printError(l.cmd.ErrOrStderr(), fmt.Errorf("%s: %w", r.ID(), err))
			l.unread, err = errors.Join(l.unread, err), nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// listed is a record as list --json prints it.
type listed struct {
	evidence.Record
	Slot  string    `json:"slot"` // as cat takes it
	Name  string    `json:"name,omitempty"`
	Local time.Time `json:"local"` // when it fell due, in the pack's own zone
	Zone  string    `json:"time_zone"`

	Ack *evidence.Ack `json:"ack,omitempty"` // of a gap, that is in force
}

// print prints a record, with the acknowledgement of a gap.
func (l *lister) print(ctx context.Context, r evidence.Record, e config.Entry) error {
	var ack *evidence.Ack
	if r.State == evidence.Gapped {
		ack = l.gapAck(ctx, r.Slot)
	}
	if l.asJSON {
		return printJSON(l.cmd.OutOrStdout(), listed{r, r.ID(), e.Pack.Name, r.Due.In(e.Zone()), e.TimeZone, ack})
	}
	return l.row(r, e, ack)
}

// row prints a record as a row of the table.
func (l *lister) row(r evidence.Record, e config.Entry, ack *evidence.Ack) error {
	size, what := strconv.FormatInt(r.Size, 10), r.SHA256
	if r.Imported != "" {
		what += ", imported by " + r.Imported
	}
	if r.Pruned {
		what += ", pruned"
	}
	if r.State == evidence.Gapped {
		size, what = "", string(r.Reason)
		if r.Detail != "" {
			what += ": " + r.Detail
		}
		if all := []rune(what); len(all) > shortDetail {
			what = string(all[:shortDetail]) + "…"
		}
	}
	cells := []string{string(r.State), r.ID(), r.Due.In(e.Zone()).Format(localTime), e.Pack.Name, size, what}
	if ack != nil {
		if cells = append(cells, ack.In(e.Zone()).String()); !l.acked {
			l.table.Head("ACKNOWLEDGED")
			l.acked = true
		}
	}
	return l.table.Row(cells...)
}
