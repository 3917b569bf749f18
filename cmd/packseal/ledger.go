package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"packseal.example/archive/ledger"
	"packseal.example/config"
	"packseal.example/control"
	"packseal.example/daemon"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/table"
)

// newLedger makes the verb of the ledger's own verbs.
func newLedger() *cobra.Command {
	c := &cobra.Command{
		Use: "ledger", Short: "The signed list of what was kept: its key, its state, old archives, copies", Args: noArgs,
		Long: `ledger manages the append-only, signed list of what was kept and when, in the sinks
beside the reports. It is off until the configuration has ledger; then the daemon
appends to it. docs/ledger.md says what it proves and how to turn it on.`,
		Example: `  packseal ledger init --config packseal.yaml
  packseal ledger status
  packseal ledger adopt --dry-run
  packseal ledger export mirror`,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newLedgerInit(), newLedgerStatus(), newLedgerAdopt(), newLedgerExport())
	return c
}

func newLedgerStatus() *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "Show how the ledger is", Args: noArgs,
		Long: `status shows the ledger's size and root, as a line to note elsewhere, how many entries
it is owed, which keys sign it, who vouches for it, and what is wrong with it: as the
running daemon knows it, or else as its state folder says, without asking a sink.`,
		Example: "  packseal ledger status\n  packseal ledger status --json | jq -r .line",
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := ledgerStatus(c, *path)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), s)
		}
		return printLedger(c.OutOrStdout(), s, time.Now())
	}
	return c
}

// errNoLedger is the error where the configuration has no ledger.
var errNoLedger = fault.New(fault.NotFound, "no ledger is configured").WithHint("docs/ledger.md says how to turn it on")

// ledgerStatus asks the daemon how the ledger is, and, where none runs, the state folder.
func ledgerStatus(c *cobra.Command, path string) (evidence.LedgerStatus, error) {
	client, err := reach(path)
	if err != nil {
		return evidence.LedgerStatus{}, err
	}
	st, err := client.Status(c.Context())
	switch {
	case err == nil && st.Ledger != nil:
		return *st.Ledger, nil
	case err == nil:
		return evidence.LedgerStatus{}, errNoLedger
	case !errors.Is(err, control.ErrNoDaemon):
		return evidence.LedgerStatus{}, err
	}
	_, l, err := loadLedger(c, path)
	if err != nil {
		return evidence.LedgerStatus{}, err
	}
	fmt.Fprintln(c.ErrOrStderr(), "no daemon runs: this is what its state folder says")
	return l.Show(), nil
}

// loadLedger opens the ledger of a configuration.
func loadLedger(c *cobra.Command, path string) (*config.Config, *ledger.Ledger, error) {
	cfg, err := load(path, c.ErrOrStderr())
	if err == nil && cfg.Ledger == nil {
		err = errNoLedger
	}
	if err == nil {
		err = refuseRoot(cfg)
	}
	if err != nil {
		return nil, nil, err
	}
	l, err := openLedger(c.Context(), cfg, newLogger(config.Log{Level: "error", Format: "text"}, c.ErrOrStderr()))
	return cfg, l, err
}

func openLedger(ctx context.Context, cfg *config.Config, logger *slog.Logger) (*ledger.Ledger, error) {
	return daemon.OpenLedger(ctx, cfg, daemon.LedgerOptions{Tool: tool(), Logger: logger})
}

// commitLedger appends what a verb has logged, so that it is in the ledger where no
// daemon runs. What can't be appended now stays owed.
func commitLedger(ctx context.Context, cfg *config.Config, talk io.Writer) {
	if cfg.Ledger == nil {
		return
	}
	l, err := openLedger(ctx, cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		err = l.Commit(ctx)
	}
	if err != nil && fault.Of(err) != fault.Busy { // the daemon is at it
		fmt.Fprintf(talk, "warning: not in the ledger yet, which the next commit makes up for: %v\n", err)
	}
}

// anchored tells how far an authority or a witness has vouched for the ledger.
func anchored(a evidence.LedgerAnchor, now time.Time) string {
	text := a.Name + ": none yet"
	if !a.At.IsZero() {
		text = fmt.Sprintf("%s: up to entry %d, %s ago", a.Name, a.Size, roughly(now.Sub(a.At)))
	}
	if a.Error != "" {
		text += "; " + a.Error
	}
	return text
}

// printLedger prints how the ledger is for a person.
func printLedger(w io.Writer, s evidence.LedgerStatus, now time.Time) error {
	t := table.New(w, "ledger", s.Origin)
	row := func(what, format string, args ...any) { t.Row(what, fmt.Sprintf(format, args...)) } //nolint:errcheck // a few rows: Flush writes them
	row("entries", "%d", s.Size)
	if s.Line != "" {
		row("to note", "%s", s.Line)
	}
	row("owed", "%d", s.Owed)
	if w := s.Waits; w != nil {
		row("waiting", "%d whose object no sink has, or gives away: %s (docs/ledger.md#what-waits)", w.Count, w.Key)
	}
	if !s.Committed.IsZero() {
		row("committed", "%s ago", roughly(now.Sub(s.Committed)))
	}
	for _, a := range s.Stamps {
		row("time-stamp", "%s", anchored(a, now))
	}
	for _, a := range s.Witnesses {
		row("witness", "%s", anchored(a, now))
	}
	for i, key := range s.Keys {
		row([]string{"key", "next key"}[min(i, 1)], "%s", key)
	}
	for _, p := range s.Problems {
		where := p.Key
		if p.Sink != "" {
			where += ", sink " + p.Sink
		}
		row(p.Kind, "%s: %s", where, p.Detail)
	}
	if s.Error != "" {
		row("failed", "%s", s.Error)
	}
	if s.Hint != "" {
		row("hint", "%s", s.Hint)
	}
	return t.Flush()
}
