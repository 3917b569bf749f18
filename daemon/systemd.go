package daemon

import (
	"context"
	"log/slog"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

const (
	// reportEvery is how often systemd gets a report.
	reportEvery = 10 * time.Second

	// turnsWithin is more than the time that the scheduler's loop takes to
	// come round when nothing is due.
	turnsWithin = 2 * time.Minute
)

// systemd reports the daemon's state to the service manager by the protocol of
// sd_notify(3). Where nobody listens, nothing is sent.
type systemd struct {
	send    func(state string)
	turned  func() time.Time // the last sign of life of the scheduler; zero: none yet
	outlook func() string    // the status line
	every   time.Duration    // between two reports
}

// newSystemd makes a systemd of the environment.
func newSystemd(turned func() time.Time, outlook func() string, logger *slog.Logger) *systemd {
	s := &systemd{turned: turned, outlook: outlook, every: reportEvery, send: func(state string) {
		if _, err := sd.SdNotify(false, state); err != nil {
			logger.Warn("notifying systemd failed", "err", err)
		}
	}}
	within, err := sd.SdWatchdogEnabled(false)
	switch {
	case err != nil:
		logger.Warn("invalid watchdog settings", "err", err)
	case within > 0:
		s.every = min(s.every, max(within/3, 100*time.Millisecond))
		if within < turnsWithin {
			logger.Warn("WatchdogSec too short", "is", within.String(), "at_least", turnsWithin.String())
		}
	}
	return s
}

// run reports until ctx ends. Only turns of the scheduler's loop feed the
// watchdog: each feeds it once.
func (s *systemd) run(ctx context.Context) {
	var fed time.Time
	var said string
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.send("STOPPING=1\nSTATUS=stopping")
			return
		case <-tick.C:
		}
		var lines []string
		if turned := s.turned(); turned.After(fed) {
			lines, fed = append(lines, "WATCHDOG=1"), turned
		}
		if fed.IsZero() { // the queue may wait for other replicas: that is no failure to start
			lines = append(lines, "EXTEND_TIMEOUT_USEC=60000000")
		}
		if now := s.outlook(); now != said {
			lines, said = append(lines, "STATUS="+now), now
		}
		if len(lines) > 0 {
			s.send(strings.Join(lines, "\n"))
		}
	}
}

// ready reports that the daemon is at work, for the first time or again. It
// restarts the watchdog's time.
func (s *systemd) ready() { s.send("READY=1\nWATCHDOG=1\nSTATUS=" + s.outlook()) }

// reloading reports that a reload begins. It may take the watchdog's time, and no
// more.
func (s *systemd) reloading() {
	s.send("RELOADING=1\n" + sd.SdNotifyMonotonicUsec() + "WATCHDOG=1\nSTATUS=reloading")
}
