package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"packseal.example/config"
)

// openTerminal returns both ends of a pseudo-terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// TestLogFormat: people at a terminal get text, everybody else JSON, unless
// the configuration says otherwise.
func TestLogFormat(t *testing.T) {
	t.Parallel()
	master, terminal := openTerminal(t)
	pipe, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pipe.Close(); end.Close() })
	for _, c := range []struct {
		format string
		w      io.Writer
		from   *os.File
		json   bool
	}{
		{"auto", terminal, master, false}, {"text", terminal, master, false}, {"json", terminal, master, true},
		{"auto", end, pipe, true}, {"text", end, pipe, false}, {"json", end, pipe, true}, {"", end, pipe, true},
	} {
		log := newLogger(config.Log{Level: "warn", Format: c.format}, c.w)
		log.Info("too low a level")
		log.Warn("slot has to wait", "pack", "cp-1")
		line, err := bufio.NewReader(c.from).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.HasPrefix(line, "{"); got != c.json || !strings.Contains(line, "slot has to wait") {
			t.Errorf("format %q to %T gives %q", c.format, c.w, line)
		}
	}
}

// TestLongLogLine: a line is whole in the journal, which splits those of more than
// 48 KiB.
func TestLongLogLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\x01é", 100_000)
	for _, value := range []any{long, errors.New(long), fmt.Errorf("wrapped: %s", long)} {
		var log strings.Builder
		newLogger(config.Log{Format: "json"}, &log).Error("configuration not reloaded", "err", value, "hint", "short")
		var line struct{ Err, Hint string }
		if err := json.Unmarshal([]byte(log.String()), &line); err != nil || log.Len() > 48<<10 || line.Hint != "short" {
			t.Fatalf("%d bytes, %v", log.Len(), err)
		}
		if !strings.HasSuffix(line.Err, " bytes more)") || !strings.Contains(line.Err, "\x01é\x01é") || strings.Contains(line.Err, "\ufffd") {
			t.Errorf("…%s", line.Err[max(0, len(line.Err)-40):])
		}
	}
}
