//go:build chaos

package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// harm is what a proxy does to a request; true means that it has answered.
type harm = func(http.ResponseWriter, *http.Request) bool

// TestSinkDown: the bucket is down for longer than the slot's time-out. The
// report waits in the spool, also across a restart and a kill, and is sealed
// when the bucket is back, without another download.
func TestSinkDown(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	w := newRig(t, twoPacks)
	down := harm(func(w http.ResponseWriter, _ *http.Request) bool { return cut(w) })
	const timeout = 20 * time.Second
	begun := time.Now()
	soon := in(5*time.Second) + fmt.Sprintf(", timeout: %s", timeout)
	w.configure(lab.Setup{
		Defaults: `schedule: "0 0 1 1 *", catch_up: 10m`, Sinks: b.sinks(w, ""),
		Packs: []string{"cp-in-trouble, " + soon, "cp-afterwards, " + soon},
	})
	waits := func(p *process) {
		p.Eventually(lab.Patience, func() string {
			if n, ok := p.Metric("packseal_spool_reports", ""); !ok || n != 2 {
				return "the reports are not in the spool"
			}
			return ""
		})
	}
	p := w.start()
	p.Ready()
	b.harm.Store(&down)
	waits(p)
	time.Sleep(time.Until(begun.Add(6*time.Second + timeout))) // past the deadline
	p.stop()
	p = w.start()
	waits(p)
	p.kill()
	p = w.start()
	waits(p)
	b.harm.Store(nil)
	p.settled(2, b.dir, w.Path("state"))
	p.ends()
	if n := w.Calls()[sim.Download]; n != 2 {
		t.Errorf("%d downloads for two reports", n)
	}
}

// TestSinkTrouble has slots fall due while a bucket is in all kinds of trouble.
func TestSinkTrouble(t *testing.T) {
	t.Parallel()
	for name, does := range map[string]harm{
		"slow": func(http.ResponseWriter, *http.Request) bool {
			time.Sleep(400 * time.Millisecond)
			return false
		},
		"resets":   func(w http.ResponseWriter, _ *http.Request) bool { return rand.IntN(2) == 0 && cut(w) },
		"SlowDown": func(w http.ResponseWriter, _ *http.Request) bool { return rand.IntN(3) == 0 && slowDown(w) },
		"resets of PUTs": func(w http.ResponseWriter, r *http.Request) bool {
			return r.Method == http.MethodPut && rand.IntN(2) == 0 && cut(w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBucket(t)
			b.harm.Store(&does)
			w := newRig(t, twoPacks)
			w.configure(lab.Setup{Sinks: b.sinks(w, ""), Packs: []string{"cp-in-trouble", "cp-afterwards"}})
			p := w.start()
			p.settled(2, b.dir, w.Path("state"))
			p.ends()
		})
	}
}

// TestSinkNetwork puts a bad network between daemon and bucket. A connection
// that is half open is given up after half a minute without a byte, so only the
// first two are.
func TestSinkNetwork(t *testing.T) {
	t.Parallel()
	var opened atomic.Int32
	for name, n := range map[string]network{
		"latency": {latency: 3 * time.Millisecond},
		"cuts":    {most: func() int { return 5_000 + rand.IntN(40_000_000) }},
		"resets":  {most: func() int { return 5_000 + rand.IntN(40_000_000) }, reset: true},
		"half-open": {silent: true, most: func() int {
			if opened.Add(1) > 2 {
				return 1 << 40
			}
			return 2_000 + rand.IntN(200_000)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBucket(t)
			b.url = "http://" + n.start(t, b.proxy.URL)
			w := newRig(t, []sim.Pack{{ID: "cp-in-trouble", Script: sim.Script{Blob: true, Size: 12 << 20}}, twoPacks[1]})
			w.configure(lab.Setup{Sinks: b.sinks(w, ""), Packs: []string{"cp-in-trouble", "cp-afterwards"}})
			p := w.start()
			p.settled(2, b.dir, w.Path("state"))
			p.ends()
		})
	}
}

// TestSinkRefuses: wrong credentials, and a store that ignores conditions,
// are refused and said; the reports wait until the cause is fixed.
func TestSinkRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		does  harm
		wrong string                  // the secret at first
		fix   func(w *rig, b *bucket) // what an operator then does, before a SIGHUP
	}{
		"credentials": {
			wrong: "not-the-secret",
			fix:   func(w *rig, _ *bucket) { w.Write("s3-secret", bucketSecret) },
		},
		"no conditional writes": {
			does: func(_ http.ResponseWriter, r *http.Request) bool {
				r.Header.Del("If-None-Match")
				return false
			},
			fix: func(w *rig, b *bucket) {
				w.configure(lab.Setup{Sinks: b.sinks(w, ", conditional_writes: off"), Packs: []string{"cp-in-trouble", "cp-afterwards"}})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBucket(t)
			if c.does != nil {
				b.harm.Store(&c.does)
			}
			w := newRig(t, twoPacks)
			w.configure(lab.Setup{Sinks: b.sinks(w, ""), Packs: []string{"cp-in-trouble", "cp-afterwards"}})
			if c.wrong != "" {
				w.Write("s3-secret", c.wrong)
			}
			p := w.start()
			p.Logs(lab.Patience, "a sink that refuses", func(r lab.Record) bool { return r.Failure() && r.Text("reason") == "sink_denied" })
			if a := lab.ReadArchive(b.dir); len(a.Slots) > 0 {
				t.Errorf("it writes all the same: %v", a.Slots)
			}
			c.fix(w, b)
			p.Signal(syscall.SIGHUP)
			p.settled(2, b.dir, w.Path("state"))
			p.ends()
			if log := p.Log.String(); strings.Contains(log, bucketSecret) || strings.Contains(log, lab.KeySecret) {
				t.Error("a secret is in the log")
			}
		})
	}
}
