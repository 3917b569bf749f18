//go:build chaos

package chaos

import (
	"bufio"
	"bytes"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// grace is what service managers give a process to end in after SIGTERM, at
// the least.
const grace = 10 * time.Second

// process is packseal at work.
type process struct {
	t    *testing.T
	w    *world
	cmd  *exec.Cmd
	log  *logbook
	done chan struct{} // closed when it has ended; then
	err  error         // is how
	seen chan struct{} // closed when nobody looks at it any more
}

// start runs the daemon in the world, until the test ends at the latest. A
// wrapper, if any, is the program that runs it.
func (w *world) start(wrapper ...string) *process {
	w.t.Helper()
	args := append(wrapper, binary, "run", "--config", w.dir+"/packseal.yaml")
	p := &process{t: w.t, w: w, cmd: exec.Command(args[0], args[1:]...), log: new(logbook), done: make(chan struct{}), seen: make(chan struct{})}
	p.cmd.Stderr = p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that a wrapper's child ends with it
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	go func() {
		defer close(p.seen)
		p.watch()
	}()
	w.t.Cleanup(p.kill)
	return p
}

// kill is kill -9, and waits.
func (p *process) kill() {
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
	<-p.seen
}

// stop is SIGTERM; it returns how long the process took to end. Before it says
// where its page is, the process may not listen to signals yet.
func (p *process) stop() time.Duration {
	p.t.Helper()
	p.says(10*time.Second, "http://")
	began := time.Now()
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
		p.kill()
		p.t.Errorf("SIGTERM does not end it within %v\n%s", grace, p.log.tail())
	}
	if p.err != nil {
		p.t.Errorf("it ends with: %v\n%s", p.err, p.log.tail())
	}
	<-p.seen
	return time.Since(began)
}

// eventually waits until ok returns "", which otherwise says what is missing.
func (p *process) eventually(within time.Duration, ok func() string) {
	p.t.Helper()
	last := "nothing yet"
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if last = ok(); last == "" {
			return
		}
		select {
		case <-p.done:
			p.t.Fatalf("it has ended (%v) before: %s\n%s", p.err, last, p.log.tail())
		default:
		}
	}
	p.t.Fatalf("not within %v: %s\n%s", within, last, p.log.tail())
}

// says waits for words in the log.
func (p *process) says(within time.Duration, words string) {
	p.t.Helper()
	p.eventually(within, func() string {
		if strings.Contains(p.log.String(), words) {
			return ""
		}
		return "no log of " + words
	})
}

// logbook is what a process writes to its standard error.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// tail is the end of it, for a failed test.
func (l *logbook) tail() string {
	var lines []string
	for s := bufio.NewScanner(strings.NewReader(l.String())); s.Scan(); {
		if !strings.Contains(s.Text(), "engine speaks") {
			lines = append(lines, s.Text())
		}
	}
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}
