package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWatchdogIsFedByTurns: each sign of life of the scheduler feeds the
// watchdog, nothing else does, and a status is told when it changes.
func TestWatchdogIsFedByTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var turned time.Time
		var sent []string
		outlook := "starting"
		locked := func(f func()) {
			mu.Lock()
			defer mu.Unlock()
			f()
		}
		s := &systemd{
			every:   10 * time.Second,
			send:    func(state string) { locked(func() { sent = append(sent, state) }) },
			turned:  func() (at time.Time) { locked(func() { at = turned }); return at },
			outlook: func() (line string) { locked(func() { line = outlook }); return line },
		}
		ctx, stop := context.WithCancel(t.Context())
		go s.run(ctx)
		const extend = "EXTEND_TIMEOUT_USEC=60000000"
		for _, c := range []struct {
			what string
			do   func()
			want []string
		}{
			{"it starts", func() {}, append([]string{extend + "\nSTATUS=starting"}, slices.Repeat([]string{extend}, 5)...)},
			{"it turns", func() { turned = time.Now() }, []string{"WATCHDOG=1"}},
			{"it is stuck", func() {}, nil},
			{"it is stuck, and the status changes", func() { outlook = "next" }, []string{"STATUS=next"}},
			{"it turns again", func() { turned = time.Now() }, []string{"WATCHDOG=1"}},
			{"another begins, and turns not yet", func() { turned = time.Time{} }, nil},
			{"it turns", func() { turned, outlook = time.Now(), "later" }, []string{"WATCHDOG=1\nSTATUS=later"}},
		} {
			locked(c.do)
			time.Sleep(time.Minute)
			synctest.Wait()
			locked(func() {
				if diff := cmp.Diff(c.want, sent); diff != "" {
					t.Errorf("%s (-want +sent):\n%s", c.what, diff)
				}
				sent = nil
			})
		}
		stop()
		synctest.Wait()
		if diff := cmp.Diff([]string{"STOPPING=1\nSTATUS=stopping"}, sent); diff != "" {
			t.Error(diff)
		}
	})
}

// supervisor stands where systemd does: at the other end of $NOTIFY_SOCKET.
type supervisor struct {
	*net.UnixConn
	cmd *exec.Cmd
	log safeBuffer
}

// supervise runs the program under a supervisor.
func supervise(t *testing.T, path string, env ...string) *supervisor {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	s := &supervisor{UnixConn: conn, cmd: exec.Command("packseal", "run", "--config", path)}
	s.cmd.Env = append(append(os.Environ(), "NOTIFY_SOCKET="+name), env...)
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		s.cmd.Process.Kill()
		s.cmd.Wait() //nolint:errcheck // it was killed, or waited for before
	})
	return s
}

// expect reads messages up to one that matches, and returns that.
func (s *supervisor) expect(t *testing.T, pattern string) string {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := s.Read(buf)
		if err != nil {
			t.Fatalf("waiting for %q: %v\n%s", pattern, err, s.log.String())
		}
		if got := string(buf[:n]); regexp.MustCompile(pattern).MatchString(got) {
			return got
		}
	}
}

// TestNotify holds the whole program to the protocol.
func TestNotify(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"key": "k", "packseal.yaml": small(1) + "web: {listen: '127.0.0.1:0'}\n"})
	path := filepath.Join(dir, "packseal.yaml")
	s := supervise(t, path, "WATCHDOG_USEC=300000")

	const ready = `(?s)^READY=1\nWATCHDOG=1\nSTATUS=next slot due \d{4}-\d\d-\d\dT02:00:00Z \(prod/cp-%d\); packs: 1`
	s.expect(t, fmt.Sprintf(ready+"$", 1))
	s.expect(t, "^WATCHDOG=1")
	if !strings.Contains(s.log.String(), "WatchdogSec is too short") {
		t.Errorf("nothing is said of a watchdog of 0.3 s:\n%s", s.log.String())
	}

	reload := func(config, want string) {
		t.Helper()
		writeFiles(t, dir, map[string]string{"packseal.yaml": config})
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		s.expect(t, `^RELOADING=1\nMONOTONIC_USEC=[1-9]\d*\nWATCHDOG=1\nSTATUS=reloading$`)
		s.expect(t, want)
	}
	reload(small(2)+"web: {listen: '127.0.0.1:0', reload: true}\n", fmt.Sprintf(ready+"$", 2))
	reload("packs: []", fmt.Sprintf(ready+"; the changed configuration is bad, the old one is in force$", 2))
	// The file is watched, too.
	writeFiles(t, dir, map[string]string{"packseal.yaml": small(3)})
	s.expect(t, `^RELOADING=1`)
	s.expect(t, fmt.Sprintf(ready+"$", 3))

	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.expect(t, "^STOPPING=1")
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	for _, want := range []string{"takes effect at the next start", "the old one stays in force"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("no %q in\n%s", want, s.log.String())
		}
	}
}
