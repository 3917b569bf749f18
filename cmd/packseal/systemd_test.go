package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"packseal.example/test/lab"
)

// supervisor stands where systemd does: at the other end of $NOTIFY_SOCKET.
type supervisor struct {
	*net.UnixConn
	cmd *exec.Cmd
	log lab.Buffer
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
	setup := lab.Setup{Dir: t.TempDir(), Defaults: `schedule: "0 2 * * *"`}
	write := func(pack int, web string) string {
		s := setup
		s.Packs, s.Web = []string{fmt.Sprintf("{id: cp-%d}", pack)}, web
		return s.Write(t)
	}
	s := supervise(t, write(1, ""), "WATCHDOG_USEC=300000")

	const ready = `(?s)^READY=1\nWATCHDOG=1\nSTATUS=next slot due \d{4}-\d\d-\d\dT02:00:00Z \(prod/cp-%d\); packs: 1`
	s.expect(t, fmt.Sprintf(ready+"$", 1))
	s.expect(t, "^WATCHDOG=1")
	if !strings.Contains(s.log.String(), "WatchdogSec too short") {
		t.Errorf("nothing is said of a watchdog of 0.3 s:\n%s", s.log.String())
	}

	reload := func(want string) {
		t.Helper()
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		s.expect(t, `^RELOADING=1\nMONOTONIC_USEC=[1-9]\d*\nWATCHDOG=1\nSTATUS=reloading$`)
		s.expect(t, want)
	}
	write(2, `listen: "127.0.0.1:0", reload: true`)
	reload(fmt.Sprintf(ready+"$", 2))
	lab.Write(t, setup.Dir, map[string]string{"packseal.yaml": "packs: []"})
	reload(fmt.Sprintf(ready+"; the changed configuration is bad, the old one is in force$", 2))
	write(3, "") // the file is watched, too
	s.expect(t, `^RELOADING=1`)
	s.expect(t, fmt.Sprintf(ready+"$", 3))

	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.expect(t, "^STOPPING=1")
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	for _, want := range []string{"configuration needs a restart", "configuration not reloaded"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("no %q in\n%s", want, s.log.String())
		}
	}
}
