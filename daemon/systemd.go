package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

const (
	// attendEvery is how often systemd is told how things are.
	attendEvery = 10 * time.Second

	// turnsWithin is more than the time that the scheduler's loop takes to
	// come round when nothing is due.
	turnsWithin = 2 * time.Minute
)

// systemd tells the service manager what becomes of the daemon, by the
// protocol of sd_notify(3). Where nobody listens, nothing is sent.
type systemd struct {
	send    func(state string)
	turned  func() time.Time // the last sign of life of the scheduler; zero: none yet
	outlook func() string    // for people, in one line
	every   time.Duration    // how often to look
}

// newSystemd makes a systemd of the environment.
func newSystemd(turned func() time.Time, outlook func() string, logger *slog.Logger) *systemd {
	s := &systemd{turned: turned, outlook: outlook, every: attendEvery, send: func(state string) {
		if _, err := sd.SdNotify(false, state); err != nil {
			logger.Warn("systemd could not be told how things are", "err", err)
		}
	}}
	within, err := sd.SdWatchdogEnabled(false)
	switch {
	case err != nil:
		logger.Warn("the watchdog is not understood", "err", err)
	case within > 0:
		s.every = min(s.every, max(within/3, 100*time.Millisecond))
		if within < turnsWithin {
			logger.Warn("systemd's watchdog may bite while nothing is due: WatchdogSec is too short", "is", within, "at_least", turnsWithin)
		}
	}
	return s
}

// run reports until ctx ends. The watchdog is fed with nothing but turns of
// the scheduler's loop: each feeds it once.
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
		if fed.IsZero() { // perhaps the queue waits for other replicas: that is no failure to start
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

// ready says that the daemon is at work, for the first time or again. What
// came before gets no share of the watchdog's time.
func (s *systemd) ready() { s.send("READY=1\nWATCHDOG=1\nSTATUS=" + s.outlook()) }

// reloading says that one engine ends and the next begins. That gets the
// whole of the watchdog's time, and no more.
func (s *systemd) reloading() {
	s.send("RELOADING=1\n" + sd.SdNotifyMonotonicUsec() + "WATCHDOG=1\nSTATUS=reloading")
}

// turned returns the last sign of life of the scheduler at work.
func (d *Daemon) turned() time.Time {
	if e := d.engine.Load(); e != nil {
		return e.scheduler.Turned()
	}
	return time.Time{}
}

// outlook says in one line what is next.
func (d *Daemon) outlook() string {
	e := d.engine.Load()
	if e == nil {
		return "starting"
	}
	var next time.Time
	var name string
	for _, entry := range e.entries {
		source, key := entry.Pack.Source, entry.Pack.Key()
		if _, due := e.scheduler.Due(source, key); next.IsZero() || due.Before(next) {
			next, name = due, source+"/"+key
		}
	}
	line := fmt.Sprintf("next slot due %s (%s); packs: %d", next.Format(time.RFC3339), name, len(e.entries))
	if d.status.failed.Load() {
		line += "; the changed configuration is bad, the old one is in force"
	}
	return line
}
