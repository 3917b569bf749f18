//go:build chaos

package chaos

import (
	"fmt"
	"os"
	"time"

	"packseal.example/test/lab"
)

// process is packseal at work, whose page and metrics are compared with the
// archive for as long as it runs.
type process struct {
	*lab.Process
	rig  *rig
	seen chan struct{} // closed when nobody looks at it any more
}

// start runs the daemon on the rig's configuration, until the test ends at the
// latest. A wrapper, if any, is the program that runs it.
func (r *rig) start(wrapper ...string) *process {
	r.t.Helper()
	p := &process{Process: r.Start(wrapper...), rig: r, seen: make(chan struct{})}
	go func() {
		defer close(p.seen)
		p.watch()
	}()
	r.t.Cleanup(p.kill)
	return p
}

// kill is kill -9, and waits.
func (p *process) kill() {
	p.Kill()
	<-p.seen
}

// stop is SIGTERM; it returns how long the process took to end.
func (p *process) stop() time.Duration {
	p.rig.t.Helper()
	took := p.Stop()
	<-p.seen
	return took
}

// complains waits until the log has a failure of packseal's.
func (p *process) complains() {
	p.rig.t.Helper()
	p.Logs(lab.Patience, "a failure", lab.Record.Failure)
}

// settled waits until so many slots are sealed in the archive, none is a gap,
// and queue and spool are empty.
func (p *process) settled(slots int, archive, state string) {
	p.rig.t.Helper()
	p.Eventually(2*time.Minute, func() string {
		a := lab.ReadArchive(archive)
		n, ok := p.Metric("packseal_queue_pending", "")
		if left := lab.Spooled(state); a.Sealed() != slots || len(left) > 0 || !ok || n > 0 {
			return fmt.Sprintf("%d slots sealed of %d, %v in the queue, %v in the spool", a.Sealed(), slots, n, left)
		}
		return ""
	})
	a := lab.ReadArchive(archive)
	a.Check(p.rig.t)
	if len(a.Slots) != slots {
		p.rig.t.Errorf("there are gaps: %v", a.Slots)
	}
	lab.CheckSpoolEmpty(p.rig.t, state)
}

// clears waits until the spool holds nothing: an entry goes after its slot's end
// is recorded.
func (p *process) clears() {
	p.rig.t.Helper()
	p.Eventually(lab.Patience, func() string {
		if files, err := os.ReadDir(p.rig.Path("state/spool")); err != nil || len(files) > 0 {
			return fmt.Sprintf("%v in the spool, %v", files, err)
		}
		return ""
	})
}
