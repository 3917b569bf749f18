package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/control"
	"packseal.example/daemon"
	"packseal.example/internal/fault"
	"packseal.example/internal/period"
	"packseal.example/internal/table"
	"packseal.example/internal/units"
)

// newVerify makes the verb that an auditor trusts. Its exit code distinguishes
// damage (3) from not being able to read (1, or 75 if that may be temporary). The
// result of a whole verification is kept for the daemon's metrics, where there is
// a state folder.
func newVerify() *cobra.Command {
	c := &cobra.Command{
		Use: "verify [PACK…]", Short: "Read everything back and compare it with its manifests",
		Long: `verify reads every manifest and every report in every sink. Missing, altered and
orphaned objects are problems; it then exits with 3. Problems that were acknowledged
(packseal ack) are printed with who did so and why, and do not count.

Packs, a period of due times (dates are whole days in each pack's own time zone)
and --sink limit what is read, and with --sample 5% one report in twenty is read,
each time others. Only a verification of everything counts for the metrics and for
the alert on one that is overdue. The daemon verifies by itself where the
configuration has verify.`,
		Example: `  packseal verify --json
  packseal verify cp-fdc8626622af00f90000 --from 2026-01-01 --to 2026-03-31
  packseal verify --sink oss --sample 5%
  packseal verify --dir /mnt/evidence`,
		ValidArgsFunction: completePacks,
	}
	asJSON, bounds := jsonFlag(c), periodFlags(c)
	var selection archive.Selection
	c.Flags().StringArrayVar(&selection.Sinks, "sink", nil, "verify this sink alone (repeatable)")
	c.RegisterFlagCompletionFunc("sink", completeSinks) //nolint:errcheck // the flag is there
	sample := c.Flags().String("sample", "", "the share of reports to read, such as 5%; records are read all")
	return newReading(c, func(ctx context.Context, r *reading, args []string) (err error) {
		if selection.Sample, err = units.ParseShare(*sample); err != nil {
			return fmt.Errorf("%w: --sample: %w", errUsage, err)
		}
		if selection.Packs, err = r.spans(ctx, args, *bounds); err != nil {
			return err
		}
		done := showProgress(c.ErrOrStderr(), &selection)
		result, unread := r.Verify(ctx, selection)
		done()
		if r.state == "" && unread == nil && len(selection.Packs) == 0 && result.Sealed+result.Gaps == 0 {
			unread = errEmpty
		}
		return r.conclude(result, unread, selection, *asJSON)
	})
}

// conclude prints what a verification found and keeps it for the daemon if it was of
// everything. The error decides the exit code.
func (r *reading) conclude(result archive.Result, unread error, s archive.Selection, asJSON bool) error {
	if unread == nil && s.Whole() && r.state != "" {
		if err := daemon.SaveVerified(r.state, result); err != nil {
			fmt.Fprintf(r.cmd.ErrOrStderr(), "warning: the daemon's metrics will not show this run: %v\n", err)
		}
	}
	sinks := len(r.cfg.Sinks)
	if len(s.Sinks) > 0 {
		sinks = len(s.Sinks)
	}
	err := printVerified(r.cmd.OutOrStdout(), result, sinks, asJSON)
	switch newer := len(result.Open()); {
	case err != nil:
		return err
	case unread != nil && result.Damaged(): // damage is what somebody has to act upon
		return fmt.Errorf("%w; also %w", errDamaged, unread)
	case fault.Of(unread) == fault.Request:
		return fmt.Errorf("%w: %w", errUsage, unread)
	case unread != nil:
		return unread
	case result.Damaged():
		return errDamage
	case newer > 0:
		return fault.New(fault.Newer, "%d records are newer than this program, and were not checked", newer).WithHint("verify them with a newer packseal")
	}
	return nil
}

// spans returns what names and a period select; nothing if that is everything.
func (r *reading) spans(ctx context.Context, names []string, b period.Bounds) (spans []archive.Span, err error) {
	if len(names) == 0 && b.Open() {
		return nil, nil
	}
	entries, err := r.packs(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		from, to, err := within(b, e)
		if err != nil {
			return nil, err
		}
		spans = append(spans, archive.Span{PackRef: e.PackRef, From: from, To: to})
	}
	return spans, nil
}

// progressEvery is the time between two updates of the progress.
const progressEvery = 200 * time.Millisecond

// showProgress shows on a terminal how far a verification has come; done removes
// it.
func showProgress(w io.Writer, s *archive.Selection) (done func()) {
	if !terminal(w) {
		return func() {}
	}
	show, done := progressLine(w)
	s.Progress = func(p archive.Progress) {
		show(fmt.Sprintf("%s: %d of %d slots, %.1f MB read", p.Sink, p.Done, p.Of, float64(p.Bytes)/1e6))
	}
	return done
}

// progressLine returns what shows a line on a terminal in the place of the one before, not
// too often, and what removes it.
func progressLine(w io.Writer) (show func(string), done func()) {
	const clear = "\r\x1b[K"
	if !terminal(w) {
		return func(string) {}, func() {}
	}
	var last time.Time
	show = func(line string) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			io.WriteString(w, clear+line) //nolint:errcheck // it is for looking at
		}
	}
	return show, func() {
		if !last.IsZero() {
			io.WriteString(w, clear) //nolint:errcheck // it is for looking at
		}
	}
}

// seen yields the slots that the daemon of the state folder has seen in the
// archive; none where no daemon runs or may be asked.
func (r *reading) seen(ctx context.Context) iter.Seq2[catalog.Listed, error] {
	return func(yield func(catalog.Listed, error) bool) {
		if r.state == "" {
			return
		}
		for l, err := range r.daemon().Seen(ctx) {
			switch {
			case err != nil && !errors.Is(err, control.ErrNoDaemon):
				fmt.Fprintf(r.cmd.ErrOrStderr(), "warning: slots that vanished are not looked for: %v\n", err)
				return
			case err != nil || !yield(l, nil):
				return
			}
		}
	}
}

// lockLine says how the locks in a sink are.
func lockLine(l archive.Locked) string {
	line := fmt.Sprintf("%s: %d locks read", l.Sink, l.Read)
	switch {
	case l.Ended > 0:
		line += fmt.Sprintf(", %d of them have ended", l.Ended)
	case !l.Until.IsZero():
		line += fmt.Sprintf(", the first ends in %.0f days, at %s", math.Floor(l.Left(time.Now())), l.Until.UTC().Format(time.RFC3339))
	}
	if l.Holds > 0 {
		line += fmt.Sprintf(", %d under legal hold", l.Holds)
	}
	return line
}

// printVerified prints what a verification found, and how much it read in so many
// sinks.
func printVerified(w io.Writer, r archive.Result, sinks int, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	for _, p := range r.Problems {
		line := fmt.Sprintf("%s\t%s\t%s\t%s", p.Kind, p.Sink, p.Key, p.Detail)
		if p.Ack != nil {
			line += "\t" + table.Plain(p.Ack.String())
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	if r.Unread > 0 {
		if _, err := fmt.Fprintf(w, "%d objects could not be read, and were not checked\n", r.Unread); err != nil {
			return err
		}
	}
	if r.Pending > 0 {
		if _, err := fmt.Fprintf(w, "%d slots are still being sealed: their reports wait in the spool\n", r.Pending); err != nil {
			return err
		}
	}
	if r.Skipped > 0 {
		if _, err := fmt.Fprintf(w, "%d reports were not read: not in the sample, or not asked for\n", r.Skipped); err != nil {
			return err
		}
	}
	if r.Elsewhere > 0 {
		if _, err := fmt.Fprintf(w, "%d slots that were due have no record here: by their plans, no sink of this name was to keep them\n", r.Elsewhere); err != nil {
			return err
		}
	}
	if r.Pruned > 0 {
		if _, err := fmt.Fprintf(w, "%d reports were pruned after their retention, as the ledger says; their manifests are kept\n", r.Pruned); err != nil {
			return err
		}
	}
	for _, l := range r.Locks {
		if _, err := fmt.Fprintln(w, lockLine(l)); err != nil {
			return err
		}
	}
	if r.Repaired > 0 {
		if _, err := fmt.Fprintf(w, "%d objects repaired, %d bytes\n", r.Repaired, r.RepairedBytes); err != nil {
			return err
		}
	}
	known := ""
	if r.Acked > 0 {
		known = fmt.Sprintf(", %d of them acknowledged", r.Acked)
	}
	copies := ""
	if sinks > 1 {
		copies = fmt.Sprintf(" over %d sinks, each copy counted", sinks)
	}
	_, err := fmt.Fprintf(w, "%d sealed, %d gaps%s, %d bytes read: %d problems%s\n", r.Sealed, r.Gaps, copies, r.Bytes, len(r.Problems), known)
	return err
}
