//go:build chaos

package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// steps are where a kill is aimed at. What happens on the disk after the last
// of them is reached by the random delay.
var steps = []string{stepStart, stepLook, stepAsk, stepAsked, stepDownload, stepWhole, stepWhole, stepWhole}

// TestKill kills the daemon with kill -9 at each step, at random, again and
// again. Each round brings new packs, so that there is always work; in every
// other one the queue is lost as well. In the end a daemon that is left alone
// has every slot sealed once.
func TestKill(t *testing.T) {
	t.Parallel()
	const rigs = 2 // side by side
	for i := range rigs {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			killing(t, (rounds(t, 200)+rigs-1)/rigs)
		})
	}
}

// perRound is how many packs each round brings.
const perRound = 3

func killing(t *testing.T, rounds int) {
	var all []sim.Pack
	for i := range rounds * perRound {
		script := sim.Script{Make: time.Duration(rand.IntN(300)) * time.Millisecond, Size: rand.IntN(400 << 10)}
		if i%perRound == 1 {
			script.Standing = 2 * 365 * 24 * time.Hour // never to be sealed
		}
		all = append(all, sim.Pack{ID: fmt.Sprintf("cp-%020d", i), Script: script})
	}
	w := newRig(t, all)
	// Beside the yearly slots, one pack with a slot every few seconds: most of
	// them are missed, and become gaps.
	packs := []string{all[0].ID + `, schedule: "*/3 * * * * *", catch_up: 1m`}
	census := make(map[string]int)
	for i := range rounds {
		for _, p := range all[max(1, i*perRound) : (i+1)*perRound] {
			packs = append(packs, p.ID)
		}
		w.configure(lab.Setup{Packs: packs})
		if i%2 == 1 {
			if err := os.RemoveAll(filepath.Join(w.Dir, "state", "queue")); err != nil {
				t.Fatal(err)
			}
		}
		w.runTo(steps[rand.IntN(len(steps))], rand.N(25*time.Millisecond)).kill()
		found := lab.ReadArchive(w.Path("archive"))
		found.Check(t)
		for state, n := range lab.Spooled(w.Path("state")) {
			census[state] += n
		}
		census["report without manifest"] += found.Orphans
	}
	t.Logf("%d kills left: %v", rounds, census)
	w.recovers(len(packs), all[0].ID)
}

// runTo runs the daemon until that long after it reached a step, or until it
// has nothing to do.
func (w *rig) runTo(step string, later time.Duration) *process {
	reached := make(chan struct{})
	once := sync.OnceFunc(func() { close(reached) })
	f := func(s string) {
		if s == step {
			once()
		}
	}
	w.step.Store(&f)
	defer w.step.Store(nil)
	p := w.start()
	if step == stepStart {
		once()
		later *= 20 // it starts in some hundred milliseconds
	}
	select {
	case <-reached:
	case <-time.After(1500 * time.Millisecond):
	case <-p.Done:
		w.t.Fatalf("it ends by itself: %v\n%s", p.Cmd.ProcessState, p.Log.Tail())
	}
	time.Sleep(later)
	return p
}

// entries are what the spool holds, but for slots of a pack that fell due before
// its first record: what a kill leaves of them is swept after a day.
func (w *rig) entries(pack, first string) (names []string) {
	files, err := os.ReadDir(filepath.Join(w.Dir, "state", "spool"))
	if err != nil {
		w.t.Error(err)
	}
	for _, f := range files {
		name, _, _ := strings.Cut(f.Name(), ".")
		if due, ok := strings.CutPrefix(name, "prod@"+pack+"@"); !ok || due >= first {
			names = append(names, f.Name())
		}
	}
	return names
}

// recovers runs the daemon until every slot of every pack is settled and holds
// the archive against the model: each yearly slot is sealed, each of the pack
// that ticks, from its first to now, has one end.
func (w *rig) recovers(packs int, ticking string) {
	w.t.Helper()
	p := w.start()
	due := lab.SlotAt("", time.Date(time.Now().UTC().Year(), 1, 1, 0, 0, 0, 0, time.UTC)).Due
	var a lab.Archive
	var first string // the ticking pack's first record: before that, none of its slots is owed
	p.Eventually(2*time.Minute, func() string {
		a = lab.ReadArchive(w.Path("archive"))
		yearly := 0
		for s, e := range a.Slots {
			switch {
			case s.Pack == ticking:
				if first == "" || s.Due < first {
					first = s.Due
				}
			case s.Due != due || e.Sealed == nil:
				return fmt.Sprintf("%v ends as %+v", s, e)
			default:
				yearly++
			}
		}
		if yearly != packs-1 {
			return fmt.Sprintf("%d yearly slots of %d are sealed", yearly, packs-1)
		}
		for at := (lab.Slot{Due: first}).At(); at.Before(time.Now().Add(-5 * time.Second)); at = at.Add(3 * time.Second) {
			if _, ok := a.Slots[lab.SlotAt(ticking, at)]; !ok {
				return fmt.Sprintf("the slot of %v has no end", at)
			}
		}
		return ""
	})
	a.Check(w.t)
	p.Eventually(2*time.Minute, func() string {
		n, ok := p.Metric("packseal_queue_pending", "")
		if left := w.entries(ticking, first); len(left) > 0 || !ok || n > 0 {
			return fmt.Sprintf("%v in the queue, %v in the spool", n, left)
		}
		return ""
	})
	p.ends()
	w.t.Logf("%d slots sealed, %d gaps, %d reports without manifest", a.Sealed(), len(a.Slots)-a.Sealed(), a.Orphans)
}
