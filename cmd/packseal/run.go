package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"packseal.example/config"
	"packseal.example/daemon"
	"packseal.example/internal/fault"
)

// newRun makes the daemon's verb. The port is opened before anything else is
// started, so that a second daemon on the machine fails at once and touches
// nothing.
func newRun() *cobra.Command {
	c := &cobra.Command{
		Use: "run", Short: "Run the daemon", Args: noArgs,
		Long: `run runs the configured packs on their schedules until it is stopped. It reloads
the configuration when the file changes, and at SIGHUP. If the new one is not
valid, the errors are logged and the old one stays in effect.`,
		Example: "  packseal run --config /etc/packseal/packseal.yaml",
	}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		stderr := c.ErrOrStderr()
		found, err := config.Find(*path)
		if err != nil {
			return err
		}
		file := &daemon.ConfigFile{Path: found}
		var warnings []config.Fault
		file.Warn = func(w config.Fault) { warnings = append(warnings, w) }
		cfg, err := file.Load()
		if err != nil {
			return err
		}
		l, err := listen(cfg)
		if err != nil {
			return err
		}
		level := new(slog.LevelVar)
		level.Set(cfg.Log.Slog())
		logger := newLoggerAt(level, cfg.Log, stderr)
		file.Warn = func(w config.Fault) {
			logger.Warn("configuration warning", "file", w.File, "line", w.Line, "key", w.Path, "warning", w.Message, "hint", w.Hint)
		}
		log := newLogger(config.Log{Format: cfg.Log.Format}, stderr) // at any level: it is how one finds the page
		log.Info("page served", "url", "http://"+l.Addr().String(), "version", version)
		for _, w := range warnings {
			file.Warn(w)
		}
		traces, err := openTraces(c.Context(), logger)
		if err != nil {
			l.Close() //nolint:errcheck // nobody was served yet
			return err
		}
		defer traces.Close(c.Context())
		d := daemon.New(daemon.Options{Load: file.Load, Logger: logger, Level: level, Version: version, Instance: instance(), Tracer: traces.Tracer()})
		watching, stop := context.WithCancel(c.Context())
		defer stop()
		go reloadOn(watching, d, syscall.SIGHUP)
		go file.Watch(watching, func() { d.Reload(watching) }) //nolint:errcheck // the daemon logs it
		return d.Run(c.Context(), cfg, l)
	}
	return c
}

// reloadOn reloads at each signal until ctx ends.
func reloadOn(ctx context.Context, d *daemon.Daemon, s os.Signal) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, s)
	defer signal.Stop(signals)
	for {
		select {
		case <-signals:
			d.Reload(ctx) //nolint:errcheck // the daemon logs it
		case <-ctx.Done():
			return
		}
	}
}

// listen opens the page's port.
func listen(cfg *config.Config) (net.Listener, error) {
	l, err := net.Listen("tcp", cfg.Web.Listen)
	if err != nil {
		e := &fault.Error{Reason: fault.Unavailable, Err: fmt.Errorf("opening the page's port: %w", err)}
		return nil, e.WithHint("web.listen sets another address")
	}
	return l, nil
}
