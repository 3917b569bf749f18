package queue

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// logger passes on what the embedded server logs: its warnings and errors as
// warnings, since the queue can always be made anew, the rest as debug messages.
type logger struct {
	log        *slog.Logger
	diskFailed atomic.Bool  // the server could not write its store
	fatal      atomic.Bool  // the server cannot run
	refused    atomic.Int64 // when it was last logged that a replica was refused
}

// Noticef, Debugf and Tracef implement the server's logger: they are for debugging.
func (l *logger) Noticef(format string, v ...any) { l.debug(format, v) }

// Debugf is as Noticef.
func (l *logger) Debugf(format string, v ...any) { l.debug(format, v) }

// Tracef is as Noticef.
func (l *logger) Tracef(format string, v ...any) { l.debug(format, v) }

// Warnf, Errorf and Fatalf are warnings: the queue ends nothing but itself.
func (l *logger) Warnf(format string, v ...any) { l.warn(format, v) }

// Errorf is as Warnf.
func (l *logger) Errorf(format string, v ...any) { l.warn(format, v) }

// Fatalf is as Warnf; the server then does not become ready.
func (l *logger) Fatalf(format string, v ...any) { l.warn(format, v); l.fatal.Store(true) }

func (l *logger) debug(format string, v []any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("queue server", "message", fmt.Sprintf(format, v...))
	}
}

func (l *logger) warn(format string, v []any) {
	message := fmt.Sprintf(format, v...)
	if isDiskFailure(message) {
		l.diskFailed.Store(true)
	}
	if hint := refusalHint(message); hint != "" {
		l.warnRefused(message, hint)
		return
	}
	l.log.Warn("queue server warning", "message", message)
}

// warnRefused logs now and then that a replica was refused. It tries several
// times a second.
func (l *logger) warnRefused(message, hint string) {
	last, now := l.refused.Load(), time.Now().UnixNano()
	if now-last < int64(repeatAfter) || !l.refused.CompareAndSwap(last, now) {
		return
	}
	l.log.Warn("replica refused by another one", "message", message, "hint", hint)
}

// refusalHint returns what to do when the server logs that two replicas do not
// accept each other, or "".
func refusalHint(message string) string {
	switch {
	case strings.Contains(message, "Route Error 'Authorization Violation'"), strings.Contains(message, `authentication error - User "`+clusterUser+`"`):
		return "the file that queue.embedded.cluster.token_file names must hold the same word in each replica; after a change, restart it"
	case strings.Contains(message, "TLS route handshake error"):
		return "each replica needs queue.embedded.cluster.tls, with a certificate of the CA that the others name as ca_file"
	}
	return ""
}

// isDiskFailure reports whether the server logs that its disk failed, or that it
// has given its store up, as it does some time after that. It passes on text only.
func isDiskFailure(message string) bool {
	if strings.Contains(strings.ToLower(message), "critical write error") {
		return true
	}
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EROFS, syscall.EIO, syscall.EDQUOT, syscall.ESTALE} {
		if strings.Contains(message, errno.Error()) {
			return true
		}
	}
	return false
}

// clusterUser is the name that goes with the token between replicas.
const clusterUser = "packseal"

// repeatAfter is after how long a warning is repeated whose cause goes on.
const repeatAfter = 30 * time.Second
