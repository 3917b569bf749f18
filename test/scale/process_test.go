//go:build scale

package scale

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a program at work: packseal, or a queue's server.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended; then
	err  error         // is how

	mu      sync.Mutex
	address string // of its page, as the first line of the log has it
	rest    []string
}

// start runs a program until the test ends at the latest. Its log goes line by
// line to heard, if that is not nil.
func start(t *testing.T, heard func(string), args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close() //nolint:errcheck // the child has its own
	go func() {
		defer close(p.done)
		for s := bufio.NewScanner(r); s.Scan(); {
			p.hear(s.Text())
			if heard != nil {
				heard(s.Text())
			}
		}
		r.Close() //nolint:errcheck // read only
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

var page = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// hear takes in a line of the log. What is not about sealing is kept, for
// whoever wants to know why nothing was sealed.
func (p *process) hear(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.address == "" {
		p.address = page.FindString(line)
	}
	if !strings.Contains(line, `"msg":"sealed"`) && len(p.rest) < 50 {
		p.rest = append(p.rest, line)
	}
}

// log is what was kept.
func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.rest, "\n")
}

// stop is SIGTERM, and waits.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		t.Errorf("SIGTERM does not end it\n%s", p.log())
	}
}

// get reads one of the page's paths: how much there is, and how long it takes.
func (p *process) get(path string) (body []byte, took time.Duration, err error) {
	p.mu.Lock()
	address := p.address
	p.mu.Unlock()
	began := time.Now()
	answer, err := http.Get(address + path)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	if body, err = io.ReadAll(answer.Body); err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, answer.Status)
	}
	return body, time.Since(began), err
}

// ready waits until the process says that it is.
func (p *process) ready(t *testing.T, until time.Time) {
	t.Helper()
	for {
		_, _, err := p.get("/-/ready")
		if err == nil {
			return
		}
		select {
		case <-p.done:
			t.Fatalf("it has ended: %v\n%s", p.err, p.log())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(until) {
			t.Fatalf("it is not ready in time: %v\n%s", err, p.log())
		}
	}
}

// metric is the sum of a metric's series whose labels hold what is given.
func metric(metrics []byte, name, labels string) (sum float64, ok bool) {
	for line := range bytes.Lines(metrics) {
		series, value, _ := strings.Cut(string(bytes.TrimSpace(line)), " ")
		if family, has, _ := strings.Cut(series, "{"); family == name && strings.Contains(has, labels) {
			n, err := strconv.ParseFloat(value, 64)
			sum, ok = sum+n, err == nil
		}
	}
	return sum, ok
}

// cpu is the processor time that the process has used.
func (p *process) cpu() time.Duration {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / 100 // Linux counts in hundredths
}

// memory reads a line of the process's status, such as VmRSS, in bytes.
func (p *process) memory(name string) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// tally counts what the processes say they have sealed.
type tally struct {
	mu     sync.Mutex
	want   int
	sealed map[string]int // by pack
	last   time.Time      // when the last of them was
	all    chan struct{}  // closed then
}

func newTally(want int) *tally {
	return &tally{want: want, sealed: make(map[string]int), all: make(chan struct{})}
}

// count is how many packs have a slot sealed.
func (y *tally) count() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.sealed)
}

// hear takes in a line of a log.
func (y *tally) hear(line string) {
	var l struct{ Msg, Pack string }
	if json.Unmarshal([]byte(line), &l) != nil || l.Msg != "sealed" {
		return
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.sealed[l.Pack]++; y.sealed[l.Pack] == 1 && len(y.sealed) == y.want {
		y.last = time.Now()
		close(y.all)
	}
}
