//go:build chaos

package chaos

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// TestClusterRolls restarts three replicas in turn, each when the one before is
// ready, as an upgrade does, again and again, while slots fall due all the
// time: none is lost, none is a gap, and no report is made twice.
func TestClusterRolls(t *testing.T) {
	t.Parallel()
	seconds := max(20, rounds(t, 20))
	packs := numbered(4*seconds, func(int) sim.Script {
		return sim.Script{Make: time.Duration(rand.IntN(1000)) * time.Millisecond, Size: rand.IntN(200 << 10)}
	})
	c := newCluster(t, 3, packs)
	s := newStream(packs, time.Now().Add(3*time.Second), time.Duration(seconds)*time.Second)
	c.configure(lab.Setup{Defaults: once, Packs: s.packs})
	c.start()
	c.ready()
	restarts, longest := 0, time.Duration(0)
	for ; time.Now().Before(s.last) || restarts < 2*len(c.members); restarts++ {
		m := c.members[restarts%len(c.members)]
		longest = max(longest, m.p.stop())
		c.start(m)
		c.ready(m)
	}
	a := c.sealed(s)
	c.idle()
	c.madeOnce(packs)
	c.stop()
	t.Logf("%d restarts, each stop within %v; %d slots sealed, the latest %v after it was due; %d reports without manifest",
		restarts, longest.Round(time.Millisecond), a.Sealed(), c.latest().Round(time.Millisecond), a.Orphans)
}

// latest is how long after its due time the slot that was latest was sealed.
func (c *cluster) latest() (late time.Duration) {
	_ = filepath.WalkDir(c.archive, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "manifest.json" {
			due := lab.Slot{Due: filepath.Base(filepath.Dir(path))}.At()
			if i, err := d.Info(); err == nil {
				late = max(late, i.ModTime().Sub(due))
			}
		}
		return nil
	})
	return late
}

// TestClusterHandsOver ends with SIGTERM whichever of three replicas is at work
// on a slot, at each step: it is gone within the grace period, and another one
// has the slot soon: nothing waits for the queue to miss the first.
func TestClusterHandsOver(t *testing.T) {
	t.Parallel()
	n := max(8, rounds(t, 64)/8)
	packs := numbered(n, func(int) sim.Script {
		return sim.Script{Make: time.Second, Size: 100 << 10, Body: sim.BodyFault{Kind: sim.BodyDrip, Pause: 50 * time.Millisecond, Times: 9}}
	})
	c := newCluster(t, 3, packs)
	s := newStream(packs, time.Now().Add(4*time.Second), time.Duration(n)*apart)
	c.configure(lab.Setup{Defaults: once, Packs: s.packs})
	by := c.listen()
	c.start()
	c.ready()
	var ends, takes []time.Duration
	for range n {
		m, hit := c.hits(steps[1+rand.IntN(len(steps)-1)], 2*apart)
		if !hit {
			break // the last ones were missed
		}
		pack, began := by.last(m), time.Now()
		ends = append(ends, m.p.stop())
		c.members[(m.number+1)%len(c.members)].p.Eventually(time.Minute, func() string {
			if at := by.others(m, pack); at.After(began) {
				takes = append(takes, at.Sub(began))
				return ""
			}
			for s, e := range lab.ReadArchive(c.archive).Slots {
				if s.Pack == pack && e.Sealed != nil {
					return "" // that was its last step
				}
			}
			return fmt.Sprintf("%s is taken by nobody", pack)
		})
		c.start(m)
		c.ready(m)
	}
	a := c.sealed(s)
	c.idle()
	c.madeOnce(packs)
	c.stop()
	if len(takes) < n/4 {
		t.Errorf("only %d slots of %d changed hands", len(takes), n)
	}
	t.Logf("%d times stopped, %s; %d slots changed hands, %s; %d sealed", len(ends), spread(ends), len(takes), spread(takes), a.Sealed())
}

// apart is between two slots of which one at a time is at work.
const apart = 3 * time.Second

// listener knows who asked about which pack last.
type listener struct {
	mu   sync.Mutex
	pack map[*member]string
	at   map[string]map[*member]time.Time
}

// listen notes from now on what the members ask the API.
func (c *cluster) listen() *listener {
	l := &listener{pack: make(map[*member]string), at: make(map[string]map[*member]time.Time)}
	for _, m := range c.members {
		f := func(pack string) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.at[pack] == nil {
				l.at[pack] = make(map[*member]time.Time)
			}
			l.pack[m], l.at[pack][m] = pack, time.Now()
		}
		m.asked.Store(&f)
	}
	return l
}

// last is the pack that a member asked about last.
func (l *listener) last(m *member) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pack[m]
}

// others is when somebody else asked about the pack last.
func (l *listener) others(m *member, pack string) (last time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for who, at := range l.at[pack] {
		if who != m && at.After(last) {
			last = at
		}
	}
	return last
}

// spread says how durations are distributed.
func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	slices.Sort(all)
	round := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	return fmt.Sprintf("%v at the median, %v at most", round(all[len(all)/2]), round(all[len(all)-1]))
}
