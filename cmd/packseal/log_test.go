package main

import (
	"bufio"
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
