package queue

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// logger hands on what the engine says: its warnings and errors as warnings,
// because the queue can always be made anew, the rest for debugging only.
type logger struct {
	log    *slog.Logger
	engine *engine
}

// Noticef, Debugf and Tracef implement the engine's logger: they are for debugging.
func (l logger) Noticef(format string, v ...any) { l.debug(format, v) }

// Debugf is as Noticef.
func (l logger) Debugf(format string, v ...any) { l.debug(format, v) }

// Tracef is as Noticef.
func (l logger) Tracef(format string, v ...any) { l.debug(format, v) }

// Warnf, Errorf and Fatalf are warnings: the queue ends nothing but itself.
func (l logger) Warnf(format string, v ...any) { l.warn(format, v) }

// Errorf is as Warnf.
func (l logger) Errorf(format string, v ...any) { l.warn(format, v) }

// Fatalf is as Warnf.
func (l logger) Fatalf(format string, v ...any) { l.warn(format, v) }

func (l logger) debug(format string, v []any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("the queue's engine speaks", "says", fmt.Sprintf(format, v...))
	}
}

func (l logger) warn(format string, v []any) {
	says := fmt.Sprintf(format, v...)
	if ofDisk(says) {
		l.engine.failed.Store(true)
	}
	if hint := strange(says); hint != "" {
		l.refuse(says, hint)
		return
	}
	l.log.Warn("the queue's engine complains", "says", says)
}

// refuse says, once in a while, that a replica was not let in. It is tried
// several times a second.
func (l logger) refuse(says, hint string) {
	last, now := l.engine.refused.Load(), time.Now().UnixNano()
	if now-last < int64(sayEvery) || !l.engine.refused.CompareAndSwap(last, now) {
		return
	}
	l.log.Warn("a replica is not let in by another one", "says", says, "hint", hint)
}

// strange returns what to do where the engine complains that two replicas do
// not take each other for what they are, or "".
func strange(says string) string {
	switch {
	case strings.Contains(says, "Route Error 'Authorization Violation'"), strings.Contains(says, `authentication error - User "`+clusterUser+`"`):
		return "the file that queue.embedded.cluster.token_file names must hold the same word in each replica; after a change, restart it"
	case strings.Contains(says, "TLS route handshake error"):
		return "each replica needs queue.embedded.cluster.tls, with a certificate of the CA that the others name as ca_file"
	}
	return ""
}
