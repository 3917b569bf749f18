package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// newRun makes the daemon's verb. The port is opened before anything else is
// started, so that a second daemon on the machine fails at once and touches
// nothing.
func newRun() *cobra.Command {
	c := &cobra.Command{
		Use: "run", Short: "Run the daemon", Args: noArgs,
		Long: `run goes through the configured packs on their schedules until it is told to stop.
A change of the configuration file is taken up by itself, and at SIGHUP. What is
wrong with the new one is logged, and the old one stays in force.`,
		Example: "  packseal run --config /etc/packseal/packseal.yaml",
	}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		stderr := c.ErrOrStderr()
		file := &configFile{path: *path, stderr: stderr}
		cfg, err := file.load()
		if err != nil {
			return err
		}
		l, err := listen(cfg, stderr)
		if err != nil {
			return err
		}
		d := newDaemon(file.load, newLogger(cfg.Log, stderr))
		defer d.reloadOn(c.Context(), syscall.SIGHUP)()
		watching, stop := context.WithCancel(c.Context())
		defer stop()
		go file.watch(watching, func() { d.Reload(watching) }) //nolint:errcheck // logged where it is decided
		return d.run(c.Context(), cfg, l)
	}
	return c
}

// reloadOn reloads at a signal, until the function returned is called.
func (d *daemon) reloadOn(ctx context.Context, s os.Signal) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, s)
	go func() {
		for {
			select {
			case <-hup:
				d.Reload(ctx) //nolint:errcheck // logged where it is decided
			case <-ctx.Done():
				signal.Stop(hup)
				return
			}
		}
	}()
	return cancel
}
