package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"packseal.example/config"
	"packseal.example/test/lab"
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

// TestLogOfRun: a log of JSON is that from its first line on, warnings included;
// on its way into the journal each line has its priority.
func TestLogOfRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		journal  bool
		args     []string
		code     int
		each     string
		contains []string
	}{
		"json":         {false, []string{"run"}, 0, `^\{.*\}$`, []string{`"level":"WARN","msg":"configuration warning"`, `"msg":"page served","url":"http://127.0.0.1:`}},
		"journal":      {true, []string{"run"}, 0, `^<[3467]>\{.*\}$`, []string{`<6>{"time"`, `<4>{"time"`}},
		"fatal errors": {true, []string{"run", "--config", "missing.yaml"}, exitUsage, `^<3>`, []string{"<3>missing.yaml: ", "<3>  hint: "}},
		"one error":    {true, []string{"health", "--url", "http://127.0.0.1:1"}, exitFailed, `^<3>`, []string{"<3>packseal: ", "<3>hint: "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Dir(lab.Setup{Dir: t.TempDir()}.Write(t))
			if err := os.Chmod(filepath.Join(dir, "key-secret"), 0o644); err != nil {
				t.Fatal(err)
			}
			log, err := os.Create(filepath.Join(dir, "log"))
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close() //nolint:errcheck // it is read by its name
			var at unix.Stat_t
			if err := unix.Fstat(int(log.Fd()), &at); err != nil {
				t.Fatal(err)
			}
			p := exec.CommandContext(t.Context(), "packseal", c.args...)
			p.Stderr, p.Dir = log, dir
			if c.journal {
				p.Env = append(os.Environ(), fmt.Sprintf("JOURNAL_STREAM=%d:%d", at.Dev, at.Ino))
			}
			if err := p.Start(); err != nil {
				t.Fatal(err)
			}
			read := func() string {
				b, err := os.ReadFile(log.Name())
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			lab.Eventually(t, "all is logged", func() bool {
				return !slices.ContainsFunc(c.contains, func(s string) bool { return !strings.Contains(read(), s) })
			})
			p.Process.Signal(os.Interrupt) //nolint:errcheck // it may have ended
			p.Wait()                       //nolint:errcheck // how is looked at below
			if code := p.ProcessState.ExitCode(); code != c.code {
				t.Errorf("it ended with %d", code)
			}
			for line := range strings.Lines(read()) {
				if !regexp.MustCompile(c.each).MatchString(strings.TrimSpace(line)) {
					t.Errorf("a line is %s", line)
				}
			}
		})
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
