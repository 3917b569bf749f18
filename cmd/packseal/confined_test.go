package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"packseal.example/control"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/fault"
	"packseal.example/test/lab"
)

// slowPack is a pack whose report takes long, or never comes.
const slowPack = "cp-00c8626622af00c00002"

// confined is a daemon in a process of its own, with a umask that takes
// nothing away, its folder, and the address of its page.
type confined struct {
	*exec.Cmd
	dir, page string
}

// startConfined runs it until it has sealed one report and waits for another.
func startConfined(t *testing.T) confined {
	t.Helper()
	_, endpoint := lab.Simulate(t, sim.Pack{ID: lab.Pack}, sim.Pack{ID: slowPack, Script: sim.Script{Make: time.Hour}})
	c := confined{dir: t.TempDir()}
	path := lab.Setup{
		Dir: c.dir, Endpoint: endpoint, Defaults: `schedule: "0 0 1 1 *", time_zone: UTC, catch_up: 8784h, timeout: 1h`,
		Packs: []string{"{id: " + lab.Pack + "}", "{id: " + slowPack + "}"}, More: "log: {level: debug, format: json}\n",
	}.Write(t)
	c.Cmd = exec.Command("sh", "-c", `umask 0; exec packseal run --config "$0"`, path)
	talk, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait tells
		<-drained
		if err := c.Wait(); err != nil && c.ProcessState.ExitCode() != exitInterrupted {
			t.Errorf("the daemon ended with: %v", err)
		}
	})
	sealed := make(chan bool, 1)
	go func() {
		defer close(drained)
		defer close(sealed)
		for lines := bufio.NewScanner(talk); lines.Scan(); {
			if _, rest, ok := strings.Cut(lines.Text(), `"page served","url":"http://`); ok {
				c.page, _, _ = strings.Cut(rest, `"`)
			}
			if strings.Contains(lines.Text(), `"msg":"slot sealed"`) {
				sealed <- true
			}
		}
	}()
	if !<-sealed {
		t.Fatal("nothing is sealed")
	}
	for { // the other pack waits in the spool
		if held, _ := filepath.Glob(filepath.Join(c.dir, "state", "spool", "*"+slowPack+"*.json")); len(held) > 0 {
			return c
		}
		if !fault.Sleep(t.Context(), 10*time.Millisecond) {
			t.Fatal("nothing is in the spool")
		}
	}
}

// listening returns what TCP ports a process listens on and what UDP sockets
// it has, as the kernel writes them: "tcp 0100007F:2445".
func listening(t *testing.T, pid int) (open []string) {
	t.Helper()
	sockets := map[string]bool{}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("no descriptors: %v", err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil {
			if inode, ok := strings.CutPrefix(to, "socket:["); ok {
				sockets[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue // no IPv6 here
		}
		for line := range strings.Lines(string(b)) {
			// sl local remote state … inode; 0A listens, and 07 is any UDP socket.
			f := strings.Fields(line)
			if len(f) > 9 && sockets[f[9]] && (f[3] == "0A" || f[3] == "07") {
				open = append(open, table+" "+f[1])
			}
		}
	}
	return open
}

// inKernel is how the kernel writes an IPv4 address and its port.
func inKernel(t *testing.T, address string) string {
	t.Helper()
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatal(err)
	}
	ip := a.Addr().As4()
	slices.Reverse(ip[:])
	return fmt.Sprintf("tcp %X:%04X", ip, a.Port())
}

// TestListensOnNothingElse: the page's port is the only one that a daemon
// opens, with the queue's engine in it.
func TestListensOnNothingElse(t *testing.T) {
	t.Parallel()
	c := startConfined(t)
	if open, want := listening(t, c.Process.Pid), inKernel(t, c.page); !slices.Equal(open, []string{want}) {
		t.Errorf("open are %q, want %q alone", open, want)
	}
}

// TestMemberListensOnNothingElse: one of several replicas has its port for the
// others too, and the engine's, which only this machine reaches.
func TestMemberListensOnNothingElse(t *testing.T) {
	t.Parallel()
	dir, own := t.TempDir(), lab.Addresses(t, 4)
	lab.Write(t, dir, map[string]string{"token": "MARKED-between-replicas"})
	path := lab.Setup{
		Dir: dir, Web: fmt.Sprintf("listen: %q", own[0]),
		More: fmt.Sprintf(`queue: {embedded: {cluster: {listen: "%s", routes: ["%s"], token_file: token}}}`+"\n", own[1], strings.Join(own[1:], `", "`)),
	}.Write(t)
	c := exec.Command("packseal", "run", "--config", path)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		c.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait tells
		c.Wait()                          //nolint:errcheck // it never got ready
	}()
	var open []string
	for len(open) < 3 {
		if !fault.Sleep(t.Context(), 10*time.Millisecond) {
			t.Fatalf("open are %q alone", open)
		}
		open = listening(t, c.Process.Pid)
	}
	others := slices.DeleteFunc(slices.Clone(open), func(o string) bool {
		return o == inKernel(t, own[0]) || o == inKernel(t, own[1])
	})
	if len(others) != 1 || !strings.HasPrefix(others[0], "tcp 0100007F:") {
		t.Errorf("open are %q, want %v and one more on 127.0.0.1", open, own[:2])
	}
}

// TestModes: whatever the umask, what a daemon leaves behind is for its own
// user, and at most its group; evidence is read-only.
func TestModes(t *testing.T) {
	t.Parallel()
	c := startConfined(t)
	files := 0
	for _, top := range []string{"state", "archive"} {
		err := filepath.WalkDir(filepath.Join(c.dir, top), func(name string, e fs.DirEntry, err error) error {
			if err != nil {
				if os.IsNotExist(err) {
					return nil // the engine's own passing files
				}
				return err
			}
			fi, err := e.Info()
			if err != nil {
				return nil
			}
			mode, short := fi.Mode(), strings.TrimPrefix(name, c.dir)
			switch {
			case mode.IsDir() && mode.Perm()&^0o750 != 0:
				t.Errorf("folder %s has mode %04o", short, mode.Perm())
			case mode.IsRegular() && top == "archive" && mode.Perm() != 0o444:
				t.Errorf("%s has mode %04o, want 0444", short, mode.Perm())
			case mode.IsRegular() && top == "state" && mode.Perm()&^0o640 != 0:
				t.Errorf("%s has mode %04o", short, mode.Perm())
			case name == filepath.Join(c.dir, "state", control.Name):
				if mode != fs.ModeSocket|0o600 {
					t.Errorf("%s is %s", short, mode)
				}
			case !mode.IsDir() && !mode.IsRegular():
				t.Errorf("%s is %s", short, mode)
			}
			files++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 10 {
		t.Errorf("only %d files and folders", files)
	}
}
