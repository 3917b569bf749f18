// Package journald marks lines with their priority, as systemd's journal reads it
// (sd-daemon(3)): "<4>" before a warning. Without it the journal takes every line
// of a service for information.
package journald

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/coreos/go-systemd/v22/journal"
)

// Is reports whether w is standard error, and connected to the journal.
func Is(w io.Writer) bool {
	if f, ok := w.(*os.File); !ok || f != os.Stderr {
		return false
	}
	is, err := journal.StderrIsJournalStream()
	return is && err == nil
}

// The priorities, of syslog(3).
const (
	errPriority     = "<3>"
	warningPriority = "<4>"
	infoPriority    = "<6>"
	debugPriority   = "<7>"
)

// Errors returns a writer that marks each line as an error.
func Errors(w io.Writer) io.Writer { return &writer{new(sync.Mutex), w, errPriority} }

// writer marks the lines that it writes.
type writer struct {
	mu     *sync.Mutex // of the priorities that share w
	w      io.Writer
	prefix string
}

// Write writes whole lines.
func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := bytes.ReplaceAll(bytes.TrimSuffix(p, []byte("\n")), []byte("\n"), []byte("\n"+w.prefix))
	if _, err := w.w.Write(append(append([]byte(w.prefix), lines...), '\n')); err != nil {
		return 0, err
	}
	return len(p), nil
}

// handler has one handler for each priority.
type handler struct{ errors, warnings, info, debug slog.Handler }

// NewHandler returns a handler whose lines are marked with their priority; open
// makes the one that writes lines.
func NewHandler(w io.Writer, open func(io.Writer) slog.Handler) slog.Handler {
	mu := new(sync.Mutex)
	marked := func(prefix string) slog.Handler { return open(&writer{mu, w, prefix}) }
	return handler{marked(errPriority), marked(warningPriority), marked(infoPriority), marked(debugPriority)}
}

// of returns the handler of a level.
func (h handler) of(l slog.Level) slog.Handler {
	switch {
	case l >= slog.LevelError:
		return h.errors
	case l >= slog.LevelWarn:
		return h.warnings
	case l >= slog.LevelInfo:
		return h.info
	}
	return h.debug
}

// each returns the handler with each of its handlers replaced.
func (h handler) each(f func(slog.Handler) slog.Handler) handler {
	return handler{f(h.errors), f(h.warnings), f(h.info), f(h.debug)}
}

// Enabled implements [slog.Handler].
func (h handler) Enabled(ctx context.Context, l slog.Level) bool { return h.of(l).Enabled(ctx, l) }

// Handle implements [slog.Handler].
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	return h.of(r.Level).Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

// WithGroup implements [slog.Handler].
func (h handler) WithGroup(name string) slog.Handler {
	return h.each(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}
