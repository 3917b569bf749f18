//go:build chaos

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// in is a schedule whose one slot falls due that long from now.
func in(d time.Duration) string {
	return time.Now().Add(d).UTC().Format(`schedule: "5 4 15 2 1 *"`)
}

// never is for packs that say themselves when they are due.
const never = `schedule: "0 0 1 1 *", catch_up: 10m, timeout: 5m`

// twoPacks are what tests of trouble work with: one falls due while it lasts,
// the other afterwards.
var twoPacks = []sim.Pack{{ID: "cp-in-trouble"}, {ID: "cp-afterwards", Script: sim.Script{Size: 300 << 10}}}

// TestDisk takes the disk from under spool, queue and archive while a slot
// falls due, and gives it back: without a restart the slot is sealed, and so is
// the next one.
func TestDisk(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"state/spool", "state/queue", "archive"} {
		for fault, f := range map[string]struct{ begin, end func(*disk) }{
			"full":      {(*disk).fill, (*disk).makeRoom},
			"read-only": {(*disk).readOnly, (*disk).writable},
		} {
			t.Run(strings.ReplaceAll(part, "/", " ")+" "+fault, func(t *testing.T) {
				t.Parallel()
				w := newRig(t, twoPacks)
				w.unwatched = part == "archive"
				d := newDisk(t, "24M", filepath.Join(w.Dir, part))
				// Below the mount point: a folder that is not there is not written to.
				sinks := "[{name: primary, local: {dir: archive/kept}}]"
				w.configure(lab.Setup{Defaults: never, Sinks: sinks, Packs: []string{
					"cp-in-trouble, " + in(10*time.Second), "cp-afterwards, " + in(25*time.Second),
				}})
				p := w.start()
				p.Ready()
				f.begin(d)
				p.complains()
				time.Sleep(2 * time.Second)
				f.end(d)
				p.settled(2, w.Path("archive"), w.Path("state"))
				p.ends()
			})
		}
	}
}

// TestFsyncFails has the first calls of fsync of each thread fail with EIO: nothing
// is taken for durable that is not, and the slots are sealed when the disk is well.
func TestFsyncFails(t *testing.T) {
	t.Parallel()
	strace := lab.Tool(t, "strace")
	for _, n := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			w := newRig(t, twoPacks)
			w.configure(lab.Setup{Packs: []string{"cp-in-trouble", "cp-afterwards"}})
			trace := w.Path("trace")
			p := w.start(strace, "-f", "-o", trace, "-e", "trace=fsync", "-e", fmt.Sprintf("inject=fsync:error=EIO:when=1..%d", n))
			p.settled(2, w.Path("archive"), w.Path("state"))
			p.truthful()
			p.kill()
			calls, err := os.ReadFile(trace)
			if failed := strings.Count(string(calls), "(INJECTED)"); err != nil || failed == 0 {
				t.Errorf("%d calls failed, %v", failed, err)
			}
		})
	}
}
