package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/internal/fault"
	"packseal.example/scheduler/cron"
)

func TestGroups(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := new(chat)
		n, stop := newFixture(t).start(t, c.entry())
		for i := range 14 {
			n.Gap(now(fmt.Sprint("cp-", i)))
			rest(time.Second)
		}
		rest(time.Minute)
		c.want(t, "gaps in 14 packs")
		n.Sealed(now("cp-3"))
		n.Sealed(now("cp-99"))
		rest(time.Hour)
		n.Sealed(now("cp-3"))
		rest(time.Hour)
		c.want(t, "gaps in 14 packs", "1 pack recovered")
		stop()
	})
}

// TestRetries: what happens while a channel is down goes out together, once it is
// up.
func TestRetries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, c, up := newFixture(t), new(chat), time.Now().Add(time.Hour)
		c.fail = func() error {
			if time.Now().Before(up) {
				return down()
			}
			return nil
		}
		n, stop := w.start(t, c.entry())
		n.Gap(now("cp-1"))
		rest(30 * time.Minute)
		n.Gap(now("cp-2"))
		rest(2 * time.Hour)
		c.want(t, "gaps in 2 packs")
		if c.tries < 8 || c.tries > 20 {
			t.Errorf("tried %d times in an hour", c.tries)
		}
		if err := testutil.GatherAndCompare(w.registry, strings.NewReader(fmt.Sprintf(`
# HELP packseal_notices_total Attempts to send a message to a channel, by result.
# TYPE packseal_notices_total counter
packseal_notices_total{channel="chat",result="failed"} %d
packseal_notices_total{channel="chat",result="refused"} 0
packseal_notices_total{channel="chat",result="sent"} 1
# HELP packseal_notices_pending Events that are still to be sent to a channel.
# TYPE packseal_notices_pending gauge
packseal_notices_pending{channel="chat"} 0
`, c.tries-1)), "packseal_notices_total", "packseal_notices_pending"); err != nil {
			t.Error(err)
		}
		stop()
	})
}

// TestDiscards: a message that is refused for its contents is not retried; one
// that fails for a reason that an administrator can fix is.
func TestDiscards(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for reason, hopeless := range map[fault.Reason]bool{
			fault.Request: true, fault.TooLarge: true, fault.Internal: true,
			fault.Credentials: false, fault.NotFound: false, fault.Throttled: false, fault.Damaged: false,
		} {
			c := &chat{fail: func() error { return fault.New(reason, "no") }}
			w := newFixture(t)
			n, stop := w.start(t, c.entry())
			n.Gap(now("cp-1"))
			rest(time.Hour)
			if tries := c.set(nil); (tries == 1) != hopeless {
				t.Errorf("%s: tried %d times", reason, tries)
			}
			n.Gap(now("cp-2"))
			rest(time.Hour)
			c.want(t, map[bool]string{true: "gaps in 1 pack", false: "gaps in 2 packs"}[hopeless])
			stop()
		}
	})
}

// TestPanics: a channel that panics harms neither the others nor the daemon.
func TestPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newFixture(t)
		good, bad := new(chat), &chat{fail: func() error { panic("of a channel") }}
		second := bad.entry()
		second.Name = "bad"
		n, stop := w.start(t, good.entry(), second)
		n.Gap(now("cp-1"))
		rest(time.Hour)
		good.want(t, "gaps in 1 pack")
		if bad.tries != 1 || testutil.ToFloat64(n.metrics.panics) != 1 {
			t.Errorf("tried %d times", bad.tries)
		}
		stop()
	})
}

// TestRestart: after a restart, what was sent is not sent again; what was not sent,
// or happened in between, is.
func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, c := newFixture(t), new(chat)
		c.set(down)
		var archive []Event
		gap := func(n *Notices, p string) {
			archive = append(archive, now(p))
			if n != nil {
				n.Gap(archive[len(archive)-1])
			}
		}
		again := func(n *Notices) {
			for _, e := range archive {
				n.Gap(e)
			}
		}
		gap(nil, "long ago")
		rest(time.Hour)
		n, stop := w.start(t, c.entry())
		again(n)
		gap(n, "cp-1") // is not sent: the channel is down
		rest(2 * time.Minute)
		stop()
		gap(nil, "cp-2") // while nothing runs
		rest(time.Hour)
		c.set(nil)
		n, stop = w.start(t, c.entry())
		again(n)
		rest(2 * time.Minute)
		c.want(t, "gaps in 2 packs")
		gap(n, "cp-3")
		stop() // within the group's minute: it goes out at once
		c.want(t, "gaps in 2 packs", "gaps in 1 pack")
		n, stop = w.start(t, c.entry())
		again(n)
		n.Sealed(now("cp-2"))
		rest(time.Hour)
		stop()
		n, stop = w.start(t, c.entry())
		again(n)
		n.Sealed(now("cp-2"))
		rest(time.Hour)
		stop()
		c.want(t, "gaps in 2 packs", "gaps in 1 pack", "1 pack recovered")
	})
}

// TestEnds: Run waits for no channel longer than drainTimeout.
func TestEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, c := newFixture(t), new(chat)
		n, stop := w.start(t, Entry{Name: "hung", On: Kinds(), Channel: hung{c}}, c.entry())
		n.Gap(now("cp-1"))
		rest(2 * time.Minute)
		n.ReloadFailed(errors.New("packseal.yaml:3: unknown key"))
		began := time.Now()
		stop()
		if took := time.Since(began); took > drainTimeout {
			t.Errorf("took %s", took)
		}
		c.want(t, "gaps in 1 pack", "configuration not loaded")
	})
}

// hung blocks until its context ends.
type hung struct{ *chat }

func (hung) Send(ctx context.Context, _ Message) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestBounds: reporting events never blocks, whatever the channel does, and those
// that are too many are counted.
func TestBounds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, c := newFixture(t), new(chat)
		n, stop := w.start(t, c.entry())
		began := time.Now()
		for i := range maxPending + 5 {
			n.Gap(now(fmt.Sprint("cp-", i)))
		}
		if time.Since(began) > 0 {
			t.Error("reporting blocked")
		}
		rest(time.Hour)
		if len(c.messages) != maxPending/maxEvents || c.messages[0].Title != "packseal: gaps in 1000 packs" || c.messages[0].Dropped != 5 || c.messages[1].Dropped != 0 {
			t.Errorf("said %v, %d dropped", c.said(), c.messages[0].Dropped)
		}
		if got := testutil.ToFloat64(n.metrics.dropped); got != 5 {
			t.Errorf("%v are counted as dropped", got)
		}
		stop()
	})
}

// TestRate: no minute has more messages than the channel's vendor allows.
func TestRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := &chat{traits: Traits{PerMinute: 20}}
		entry := c.entry()
		c.traits.PerMinute, entry.Group = 20, time.Millisecond
		n, stop := newFixture(t).start(t, entry)
		for i := range 600 {
			n.Gap(now(fmt.Sprint("cp-", i)))
			rest(time.Second)
		}
		rest(time.Minute)
		stop()
		total := 0
		for i, at := range c.times {
			total += len(c.messages[i].Events)
			if i >= 20 && at.Sub(c.times[i-20]) < time.Minute {
				t.Fatalf("20 messages in %s", at.Sub(c.times[i-20]))
			}
		}
		if total != 600 || len(c.times) < 100 {
			t.Errorf("%d events in %d messages", total, len(c.times))
		}
	})
}

// TestWatches: overdue slots and problems are found by polling, and not in the first
// minute.
func TestWatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, c := newFixture(t), new(chat)
		w.overdue, w.problems = []Event{now("cp-1")}, map[string]int{"altered": 1}
		e := c.entry()
		e.Group = 90 * time.Second // unlike the interval of polling
		n, stop := w.start(t, e)
		rest(59 * time.Second)
		if pending, _ := n.dispatchers[0].batch(); len(pending) > 0 {
			t.Errorf("found at once: %v", pending)
		}
		rest(time.Hour)
		w.set(func() { w.overdue, w.problems = nil, nil })
		n.Sealed(now("cp-1"))
		rest(time.Hour)
		c.want(t, "verification result changed, 1 pack overdue", "verification result changed, 1 pack recovered")
		stop()
	})
}

// TestOn: a channel is sent the kinds that it wants, and a recovery even if it did
// not want the gap.
func TestOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := new(chat)
		entry := c.entry()
		entry.On = []Kind{Recovered}
		n, stop := newFixture(t).start(t, entry)
		n.Gap(now("cp-1"))
		n.ReloadFailed(errors.New("x"))
		rest(time.Hour)
		n.Sealed(now("cp-1"))
		rest(time.Hour)
		c.want(t, "1 pack recovered")
		stop()
	})
}

func TestDigests(t *testing.T) {
	bubble(t, func(t *testing.T) { // it begins at midnight UTC of 2000-01-01
		w, c := newFixture(t), new(chat)
		schedule, err := cron.Parse("0 9 * * *", "")
		if err != nil {
			t.Fatal(err)
		}
		entry := c.entry()
		entry.On, entry.Digest = []Kind{DigestDue}, schedule
		_, stop := w.start(t, entry)
		rest(34 * time.Hour) // until 10:00 of the second
		stop()
		rest(72 * time.Hour) // nobody is there until 10:00 of the fifth
		c.set(down)
		_, stop = w.start(t, entry)
		rest(time.Hour)
		c.set(nil)
		rest(time.Hour)
		stop()
		_, stop = w.start(t, entry)
		rest(time.Hour)
		stop()
		w.digests = slices.Compact(w.digests)
		if want := []string{"01T00:00 01T09:00", "01T09:00 02T09:00", "02T09:00 05T09:00"}; !slices.Equal(w.digests, want) || len(c.messages) != 3 {
			t.Errorf("%d digests, of %q", len(c.messages), w.digests)
		}
		if at := c.times[1].Format(time.DateTime); at != "2000-01-02 09:00:00" {
			t.Errorf("sent at %s", at)
		}
	})
}

// TestHeartbeats: a dead man's switch is called at each interval, and
// nothing at the start.
func TestHeartbeats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, c := newFixture(t), &chat{traits: Traits{Heartbeat: 5 * time.Minute}}
		w.health = fault.New(fault.NotReady, "starting")
		n, stop := w.start(t, c.entry())
		n.Gap(now("cp-1"))
		rest(time.Minute)
		c.want(t)
		w.set(func() { w.health = nil })
		rest(6 * time.Minute)
		w.set(func() { w.health = errors.New("1 of 2 packs overdue") })
		rest(5 * time.Minute)
		c.want(t, "OK", "OK", "1 of 2 packs overdue")
		if c.messages[1].Tone != Good || c.messages[2].Tone != Bad {
			t.Errorf("tones: %s, %s", c.messages[1].Tone, c.messages[2].Tone)
		}
		stop()
	})
}

func TestNewNeeds(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil {
		t.Error("nothing is enough")
	}
}
