package main

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/control"
	"packseal.example/daemon"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/period"
)

// reading is what a verb that only reads the archive works with.
type reading struct {
	*archive.Archive
	cfg   *config.Config
	key   string // the ledger's verifier key that was given; "" = that of the configuration
	state string // the state folder; empty for a copy of an archive, which no daemon has
	cmd   *cobra.Command
	ackOf func(context.Context, evidence.Slot) (*evidence.Ack, error) // see gapAck
}

// errEmpty is the error of a folder without any slot, which is not an archive.
var errEmpty = fault.New(fault.NotFound, "no slot is kept here").
	WithHint("--dir takes the folder that holds <source>/<pack>/<year>/…")

// empty is the error of an archive without any slot.
func (r *reading) empty() error {
	if r.state == "" {
		return errEmpty
	}
	return fault.New(fault.NotFound, "no pack is known, and nothing is kept yet").
		WithHint("packseal packs lists the packs that exist; packseal run keeps those that rules of discover keep, and packseal seal one report of each")
}

// newReading makes a verb that only reads the archive. It opens the sinks and
// nothing else: an auditor's machine has no credentials of a source and no
// state, and with --dir not even a configuration. Errors are logged to standard
// error as text; warnings about one sink are not, so that they do not stand
// between the results.
func newReading(c *cobra.Command, do func(ctx context.Context, r *reading, args []string) error) *cobra.Command {
	path := configFlag(c)
	dir := c.Flags().String("dir", "", "read this copy of an archive, without a configuration: the folder that holds those of the sources")
	key := c.Flags().String("key", "", "the verifier key of the ledger; default: that of the configuration")
	c.MarkFlagsMutuallyExclusive("config", "dir")
	c.RunE = func(c *cobra.Command, args []string) error {
		var cfg *config.Config
		var err error
		state := ""
		if *dir != "" {
			cfg, err = config.Copy(*dir)
		} else if cfg, err = load(*path, c.ErrOrStderr()); err == nil {
			state = cfg.StateDir
		}
		if err != nil {
			return err
		}
		r, err := openReading(c, cfg, state, *key)
		if err != nil {
			return err
		}
		return do(c.Context(), r, args)
	}
	return c
}

// openReading opens the sinks of a configuration. Without a verifier key, the ledger is
// that of the configuration.
func openReading(c *cobra.Command, cfg *config.Config, state, verifier string) (r *reading, err error) {
	r = &reading{cfg: cfg, key: verifier, state: state, cmd: c}
	r.Archive, err = daemon.OpenArchive(c.Context(), cfg, daemon.ArchiveOptions{
		ReadOnly: true, Tool: tool(), Verifier: verifier, Logger: newLogger(config.Log{Level: "error", Format: "text"}, c.ErrOrStderr()), Seen: r.seen,
	})
	if err != nil {
		return nil, err
	}
	r.ackOf = r.GapAcks()
	return r, nil
}

// daemon asks the daemon of the state folder, if there is one.
func (r *reading) daemon() *control.Client { return control.NewClient(r.state) }

// packs returns the packs named, as entries of the configuration; no name is for
// all. A pack that left the configuration has its records still: its entry has
// no schedule. If all are wanted and the archive can't be asked for those, the
// error comes beside the configured ones.
func (r *reading) packs(ctx context.Context, names []string) ([]config.Entry, error) {
	entries := slices.Concat(r.cfg.Entries(), r.cfg.Disabled())
	if chosen, err := config.Choose(entries, names); err == nil && len(names) > 0 {
		return chosen, nil
	}
	var known []evidence.PackRef
	for _, e := range entries {
		known = append(known, e.PackRef)
	}
	others, unlisted := r.Others(ctx, known)
	entries = append(entries, r.former(ctx, others)...)
	if len(names) == 0 {
		if len(entries) == 0 && unlisted == nil {
			unlisted = r.empty()
		}
		return entries, unlisted
	}
	chosen, err := config.Choose(entries, names)
	switch {
	case err != nil && unlisted != nil:
		return nil, fmt.Errorf("looking for a pack that is not configured: %w", unlisted)
	case err != nil:
		return nil, fmt.Errorf("%w: %w, nor in the archive", errUsage, err)
	}
	return chosen, nil
}

// former returns entries of packs that are not in the configuration, in the time zones
// that they were scheduled in last.
func (r *reading) former(ctx context.Context, packs []evidence.PackRef) (entries []config.Entry) {
	planned := r.LastPlanned(ctx, packs)
	for _, p := range packs {
		entries = append(entries, r.cfg.Former(p, planned[p].Zone))
	}
	return entries
}

// zone returns the time zone of a pack.
func (r *reading) zone(ctx context.Context, p evidence.PackRef) *time.Location {
	if e, ok := r.cfg.Entry(p); ok {
		return e.Zone()
	}
	return r.former(ctx, []evidence.PackRef{p})[0].Zone()
}

// one returns the pack named, as packs does.
func (r *reading) one(ctx context.Context, name string) (config.Entry, error) {
	entries, err := r.packs(ctx, []string{name})
	if err != nil {
		return config.Entry{}, err
	}
	if len(entries) > 1 {
		return config.Entry{}, fmt.Errorf("%w: %q is the name of %d packs; one of them is %s/%s", errUsage, name, len(entries), entries[0].Pack.Source, entries[0].Pack.Key())
	}
	return entries[0], nil
}

// periodFlags adds --from and --to to a verb.
func periodFlags(c *cobra.Command) *period.Bounds {
	var b period.Bounds
	c.Flags().StringVar(&b.From, "from", "", "the first day, as a date in the pack's time zone, or an RFC 3339 time")
	c.Flags().StringVar(&b.To, "to", "", "the last day, which is included, or a time")
	return &b
}

// within returns the period for a pack.
func within(b period.Bounds, e config.Entry) (from, to time.Time, err error) {
	if from, to, err = b.In(e.Zone()); err != nil {
		err = fmt.Errorf("%w: --%w", errUsage, err)
	}
	return from, to, err
}

// records yields a pack's records: what the daemon says, or, if it says nothing
// but an error, as when there is none, what the archive says.
func (r *reading) records(ctx context.Context, q catalog.Query, askDaemon bool) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		if askDaemon && r.state != "" {
			some := false
			for record, err := range r.daemon().Records(ctx, q) {
				if err != nil && record.Pack == "" && !some {
					break
				}
				if some = true; !yield(record, err) {
					return
				}
			}
			if some {
				return
			}
		}
		r.Records(ctx, q)(yield)
	}
}
