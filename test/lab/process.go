package lab

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is a program at work.
type Process struct {
	Page // of packseal: what it shows
	Cmd  *exec.Cmd
	Log  *Log          // its standard error
	Done chan struct{} // closed when it has ended

	t   testing.TB
	err error // how it ended; valid once Done is closed
}

// Start runs the daemon on the lab's configuration until the test ends at the
// latest. A wrapper, if any, is a program that runs it, with its arguments.
func (l *Lab) Start(wrapper ...string) *Process {
	l.t.Helper()
	return Start(l.t, append(wrapper, program, "run", "--config", l.Path("packseal.yaml"))...)
}

// Run runs a verb of packseal on the lab's configuration to its end. It returns
// its standard output, and an error when it ends with another code than 0.
func (l *Lab) Run(verb ...string) (out string, err error) {
	l.t.Helper()
	return Command(l.t, program, append(verb, "--config", l.Path("packseal.yaml"))...)
}

// Command runs a program to its end. It returns its standard output, and an
// error with its standard error when it ends with another code than 0.
func Command(t testing.TB, program string, args ...string) (out string, err error) {
	t.Helper()
	raw, err := exec.CommandContext(t.Context(), program, args...).Output()
	if e, ok := err.(*exec.ExitError); ok {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, e.Stderr)
	}
	return string(raw), err
}

// Start runs any program until the test ends at the latest. It is the leader of
// a process group, so that what it starts ends with it.
func Start(t testing.TB, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, Cmd: exec.Command(args[0], args[1:]...), Log: new(Log), Done: make(chan struct{})}
	p.Page = Page{ctx: t.Context(), url: p.address}
	p.Cmd.Stderr = p.Log
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.Cmd.Wait()
		close(p.Done)
	}()
	t.Cleanup(p.Kill)
	return p
}

// page is the URL of a page, as packseal names it when it begins to listen.
var page = regexp.MustCompile(`https?://127(\.\d+){3}:\d+`)

// address is the page's URL, once it is known.
func (p *Process) address() string { return page.FindString(p.Log.String()) }

// Signal sends a signal to the program and what it has started.
func (p *Process) Signal(s syscall.Signal) { _ = syscall.Kill(-p.Cmd.Process.Pid, s) }

// Kill is kill -9, and waits for the end.
func (p *Process) Kill() {
	select {
	case <-p.Done:
	default:
		p.Signal(syscall.SIGKILL)
		<-p.Done
	}
}

// stopWithin is how long Stop waits: longer than anybody who looks at the time
// would accept.
const stopWithin = time.Minute

// Stop is SIGTERM; it returns how long the daemon took to end, which it must do
// without an error. Before it listens it may not hear signals yet.
func (p *Process) Stop() time.Duration {
	p.t.Helper()
	p.Eventually(Patience, func() string {
		if p.address() == "" {
			return "it does not listen yet"
		}
		return ""
	})
	began := time.Now()
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.Done:
	case <-time.After(stopWithin):
		p.Kill()
		p.t.Errorf("SIGTERM does not end it within %v\n%s", stopWithin, p.Log.Tail())
	}
	if p.err != nil {
		p.t.Errorf("it ends with: %v\n%s", p.err, p.Log.Tail())
	}
	return time.Since(began)
}

// Ready waits until the daemon says that it is ready.
func (p *Process) Ready() {
	p.t.Helper()
	p.Eventually(Patience, p.Unready)
}

// poll is how long Eventually waits between two looks.
const poll = 20 * time.Millisecond

// Eventually waits until missing returns "". Otherwise it says what is missing,
// for the test's failure when the time is over or the process ends.
func (p *Process) Eventually(within time.Duration, missing func() string) {
	p.t.Helper()
	last := "nothing yet"
	for end := time.Now().Add(within); time.Now().Before(end); {
		if last = missing(); last == "" {
			return
		}
		select {
		case <-p.Done:
			p.t.Fatalf("it has ended (%v) before: %s\n%s", p.err, last, p.Log.Tail())
		case <-time.After(poll):
		}
	}
	p.t.Fatalf("not within %v: %s\n%s", within, last, p.Log.Tail())
}

// Logs waits until the log has a record that matches, and returns it. What is
// looked for, in words, is for the test's failure.
func (p *Process) Logs(within time.Duration, what string, matches func(Record) bool) (found Record) {
	p.t.Helper()
	p.Eventually(within, func() string {
		for _, r := range p.Log.Records() {
			if matches(r) {
				found = r
				return ""
			}
		}
		return "no record of " + what + " in the log"
	})
	return found
}
