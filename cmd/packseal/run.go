package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"packseal.example/config"
)

// newRun makes the daemon's verb. The port is opened before anything else is
// started, so that a second daemon on the machine fails at once and touches
// nothing.
func newRun() *cobra.Command {
	c := &cobra.Command{
		Use: "run", Short: "Run the daemon", Args: noArgs,
		Long:    "run goes through the configured packs on their schedules until it is told to stop.\nSIGHUP loads the configuration anew.",
		Example: "  packseal run --config /etc/packseal/packseal.yaml",
	}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		stderr := c.ErrOrStderr()
		cfg, err := load(*path, stderr)
		if err != nil {
			return err
		}
		l, err := listen(cfg, stderr)
		if err != nil {
			return err
		}
		d := newDaemon(func() (*config.Config, error) { return load(*path, stderr) }, newLogger(cfg.Log, stderr))
		defer d.reloadOn(c.Context(), syscall.SIGHUP)()
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
