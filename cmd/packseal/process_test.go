package main

import (
	"bufio"
	"context"
	"errors"
	"io"
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

// process is the program as a process of its own.
type process struct {
	*exec.Cmd
	lines chan string // what it says on standard error
	out   lab.Buffer
}

// spawn starts packseal; it is killed when the test ends before it does.
func spawn(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(stop)
	p := &process{Cmd: exec.CommandContext(ctx, "packseal", args...), lines: make(chan string, 1000)}
	p.Stdout = &p.out
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(io.Reader(stderr)); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	return p
}

// says waits until the process says something that matches, and returns the
// first group.
func (p *process) says(t *testing.T, pattern string) string {
	t.Helper()
	var before []string
	for line := range p.lines {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(line); m != nil {
			return m[len(m)-1]
		}
		before = append(before, line)
	}
	t.Fatalf("it never says %s, but:\n%s", pattern, strings.Join(before, "\n"))
	return ""
}

// ends signals the process and returns its exit code.
func (p *process) ends(t *testing.T, s syscall.Signal) int {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	for range p.lines { // Wait closes the pipe
	}
	err := p.Wait()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// TestRunObeysSignals: SIGHUP reloads, SIGTERM and Ctrl-C end it well.
func TestRunObeysSignals(t *testing.T) {
	t.Parallel()
	_, endpoint := simulate(t)
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		dir := t.TempDir()
		p := spawn(t, "run", "-c", lab.Setup{Dir: dir, Endpoint: endpoint}.Write(t))
		p.says(t, `http://127\.0\.0\.1:\d+`)
		p.says(t, `"msg":"slot sealed".*"pack":"`+lab.Pack)
		lab.Setup{Dir: dir, Endpoint: endpoint, Packs: []string{lab.Pack, lab.Another}}.Write(t)
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.says(t, "configuration reloaded")
		p.says(t, `"msg":"slot sealed".*"pack":"`+lab.Another)
		lab.Write(t, dir, map[string]string{"packseal.yaml": ""})
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.says(t, "configuration not reloaded.*the file is empty")
		if code := p.ends(t, end); code != 0 {
			t.Errorf("%s: it ended with %d", end, code)
		}
	}
}

// TestSealInterrupted: what is broken off by Ctrl-C ends with 130, and a later
// run goes on with it.
func TestSealInterrupted(t *testing.T) {
	t.Parallel()
	p := spawn(t, "sim", "--listen", "127.0.0.1:0")
	endpoint := p.says(t, `"msg":"simulator served","url":"(http://127\.0\.0\.1:\d+)"`)
	dir := t.TempDir()
	const slow = lab.Another // 4 s in the simulator's cast
	path := lab.Setup{Dir: dir, Endpoint: endpoint, Packs: []string{slow}}.Write(t)
	seal := spawn(t, "seal", "--now", "-c", path)
	for !asked(t, dir) && t.Context().Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if code := seal.ends(t, syscall.SIGINT); code != exitInterrupted {
		t.Errorf("it ended with %d", code)
	}
	if !asked(t, dir) {
		t.Error("the spool does not hold the ticket of the report that is being made")
	}
	if code := p.ends(t, syscall.SIGTERM); code != 0 {
		t.Errorf("the simulator ended with %d", code)
	}
	if out := p.out.String(); !strings.Contains(out, slow+"\t") || strings.Count(out, "\n") < 8 {
		t.Errorf("the simulator's packs are %s", out)
	}
}

// asked reports whether the spool holds a ticket.
func asked(t *testing.T, dir string) bool {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "state", "spool", "*.json"))
	if err != nil || len(found) > 1 {
		t.Fatal(found, err)
	}
	if len(found) == 0 {
		return false
	}
	b, err := os.ReadFile(found[0])
	return err == nil && strings.Contains(string(b), `"ticket":{`)
}
