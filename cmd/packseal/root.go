package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"packseal.example/config"
	"packseal.example/daemon"
	"packseal.example/internal/journald"
	"packseal.example/internal/units"
)

// newRoot makes the command with all its verbs.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "packseal",
		Short: "Keeps every compliance report of Alibaba Cloud Config",
		Long: `packseal requests each compliance pack's report on schedule, downloads it before
its signed link expires, checks it, and seals it in write-once storage.`,
		Example: `  packseal init > packseal.yaml
  packseal check --config packseal.yaml
  packseal run --config packseal.yaml`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       tool() + " " + runtime.Version(),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	root.AddCommand(newDemo(), newRun(), newSeal(), newCheck(), newDoctor(), newNext(), newList(), newPacks(), newQueue(), newStatus(), newReload(), newCat(), newExport(), newImport(), newVerify(), newPrune(), newRepair(), newRestore(), newAudit(), newBundle(), newStatement(), newProve(), newLedger(), newAck(), newNotify(), newSim(), newInit(), newHealth(), newVersion())
	root.AddCommand(releaseVerbs()...)
	return root
}

// configFlag adds --config to a verb. [config.Find] finds the file.
func configFlag(c *cobra.Command) *string {
	return c.Flags().StringP("config", "c", "", "the configuration file; default: the first of "+config.Places())
}

// jsonFlag adds --json to a verb.
func jsonFlag(c *cobra.Command) *bool {
	return c.Flags().Bool("json", false, "print JSON, one object a line")
}

// durationFlag adds a flag that takes a duration.
func durationFlag(c *cobra.Command, d *time.Duration, name string, def time.Duration, usage string) {
	*d = def
	c.Flags().Var((*units.Duration)(d), name, usage)
}

// load finds and reads the configuration file and prints its warnings. Packs that the
// daemon has discovered are among its entries, where the state folder can be read.
func load(given string, stderr io.Writer) (*config.Config, error) {
	path, err := config.Find(given)
	if err != nil {
		return nil, err
	}
	cfg, err := (&daemon.ConfigFile{Path: path, Warn: func(w config.Fault) { fmt.Fprintln(stderr, w) }}).Load()
	if err != nil {
		return nil, err
	}
	cfg, err = daemon.WithDiscovered(cfg)
	if err != nil {
		fmt.Fprintf(stderr, "packs that were discovered are not known here: %v\n", err)
	}
	return cfg, nil
}

// newLogger returns the logger of a configuration.
func newLogger(l config.Log, w io.Writer) *slog.Logger { return newLoggerAt(l.Slog(), l, w) }

// newLoggerAt returns it at a level that may change.
func newLoggerAt(level slog.Leveler, l config.Log, w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: shorten}
	open := func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, o) }
	if l.Format == "json" || l.Format != "text" && !terminal(w) {
		open = func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, o) }
	}
	if journald.Is(w) {
		return slog.New(journald.NewHandler(w, open))
	}
	return slog.New(open(w))
}

// terminal reports whether w is one.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// noArgs refuses arguments as wrong usage.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: %s takes no arguments, but was given %q", errUsage, c.Name(), args)
	}
	return nil
}

// printJSON writes v as one line.
func printJSON(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

// instance names this machine in messages.
func instance() string {
	name, err := os.Hostname()
	if err != nil {
		return "packseal"
	}
	return name
}
