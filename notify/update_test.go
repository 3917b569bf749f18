package notify

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// of is the chat's entry, made from a specification.
func (c *chat) of(spec string) Entry {
	e := c.entry()
	e.Spec = spec
	return e
}

// TestUpdateUnchanged: a channel that is the same goes on as if nothing had
// happened, with the events that wait for others.
func TestUpdateUnchanged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, again, added := new(chat), new(chat), new(chat)
		n, stop := newFixture(t).start(t, c.of("a"))
		n.Gap(now("cp-1"))
		other := added.of("other")
		other.Name = "other"
		for range 5 {
			rest(10 * time.Second)
			n.Update([]Entry{again.of("a"), other})
		}
		n.Gap(now("cp-2"))
		rest(10 * time.Second) // the group's minute is over
		c.want(t, "gaps in 2 packs")
		rest(time.Hour)
		again.want(t)
		added.want(t, "gaps in 1 pack")
		stop()
	})
}

// TestUpdateChanged: what is pending goes out on the new channel alone, and what
// was sent on the old one is not sent again.
func TestUpdateChanged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, before, after := newFixture(t), new(chat), new(chat)
		n, stop := w.start(t, before.of("a"))
		first := now("cp-1")
		n.Gap(first)
		rest(time.Hour)
		before.set(down)
		second := now("cp-2")
		n.Gap(second)
		rest(time.Hour)
		before.set(nil)
		n.Update([]Entry{after.of("b")})
		for _, e := range []Event{first, second} {
			n.Gap(e)
		}
		rest(time.Hour)
		before.want(t, "gaps in 1 pack")
		after.want(t, "gaps in 1 pack")
		if got := after.messages[0].Events[0].Pack; got != "cp-2" {
			t.Errorf("%s is sent again", got)
		}
		n.Sealed(now("cp-1"))
		rest(time.Hour)
		after.want(t, "gaps in 1 pack", "1 pack recovered")
		stop()
		if logs, err := readLogs(w.file); err != nil || logs["chat"].Packs["prod/cp-1"].Open != "" || logs["chat"].Packs["prod/cp-2"].Open != Gap {
			t.Errorf("the log is %+v, %v", logs, err)
		}
	})
}

// TestUpdateWhileWaiting: an event that waits for others goes out on the new
// channel.
func TestUpdateWhileWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before, after := new(chat), new(chat)
		n, stop := newFixture(t).start(t, before.of("a"))
		n.Gap(now("cp-1"))
		rest(10 * time.Second)
		n.Update([]Entry{after.of("b")})
		rest(time.Hour)
		before.want(t)
		after.want(t, "gaps in 1 pack")
		stop()
	})
}

// TestUpdateWhileSending: a message that is on its way ends before the new channel
// begins, so that it is not sent twice; nor is it lost if it fails.
func TestUpdateWhileSending(t *testing.T) {
	for name, fails := range map[string]func() error{"arrives": nil, "fails": down} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				before, after := &chat{}, new(chat)
				before.fail = func() error {
					time.Sleep(2 * time.Second)
					if fails != nil {
						return fails()
					}
					return nil
				}
				n, stop := newFixture(t).start(t, before.of("a"))
				n.Gap(now("cp-1"))
				time.Sleep(time.Minute + time.Second) // it is on its way
				entry := after.of("b")
				entry.Group = time.Millisecond
				n.Update([]Entry{entry})
				rest(time.Hour)
				if sent := len(before.sent()) + len(after.sent()); sent != 1 {
					t.Errorf("sent %d times", sent)
				}
				stop()
			})
		})
	}
}

// TestUpdateRemoved: a removed channel leaves nothing, neither events nor series,
// and one that comes later under its name begins anew.
func TestUpdateRemoved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, c, later := newFixture(t), &chat{fail: down}, new(chat)
		other := new(chat).of("other")
		other.Name = "other"
		n, stop := w.start(t, c.of("a"), other)
		n.Gap(now("cp-1"))
		rest(time.Hour)
		n.Update([]Entry{other})
		rest(time.Hour)
		if series := testutil.CollectAndCount(w.registry, "packseal_notices_total", "packseal_notices_pending", "packseal_notices_dropped_total"); series != 5 {
			t.Errorf("%d series are left, want those of one channel", series)
		}
		tries := c.set(nil)
		n.Gap(now("cp-2"))
		rest(time.Hour)
		if c.tries != tries {
			t.Error("a removed channel is used")
		}
		n.Update([]Entry{other, later.of("a")})
		n.Gap(now("cp-3"))
		rest(time.Hour)
		later.want(t, "gaps in 1 pack")
		if got := later.messages[0].Events[0].Pack; got != "cp-3" {
			t.Errorf("%s is sent", got)
		}
		stop()
	})
}

// TestUpdateOn: pending events that a channel does not want any more are not sent,
// and their recovery is; one that becomes a dead man's switch gets none.
func TestUpdateOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before, after, ping := new(chat), new(chat), &chat{traits: Traits{Heartbeat: 20 * time.Minute}}
		n, stop := newFixture(t).start(t, before.of("a"))
		n.Gap(now("cp-1"))
		entry := after.of("b")
		entry.On = []Kind{Recovered}
		n.Update([]Entry{entry})
		rest(time.Hour)
		n.Sealed(now("cp-1"))
		rest(time.Hour)
		after.want(t, "1 pack recovered")
		n.Gap(now("cp-2"))
		n.Sealed(now("cp-2"))
		n.Update([]Entry{ping.of("c")})
		rest(time.Hour)
		before.want(t)
		after.want(t, "1 pack recovered")
		if len(ping.messages) < 3 || strings.Contains(fmt.Sprint(ping.said()), "pack") {
			t.Errorf("said %q", ping.said())
		}
		stop()
	})
}

// TestUpdateOften: whatever is replaced while events come, each gap is sent once.
func TestUpdateOften(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var chats []*chat
		n, stop := newFixture(t).start(t)
		for i := range 200 {
			c := new(chat)
			if i%3 == 1 {
				c.fail = down
			}
			chats = append(chats, c)
			e := c.of(fmt.Sprint(i / 2)) // each second one is the same as the one before
			e.Group = time.Second
			n.Update([]Entry{e})
			n.Gap(now(fmt.Sprint("cp-", i)))
			time.Sleep(time.Duration(i%7) * 500 * time.Millisecond)
		}
		last := new(chat)
		n.Update([]Entry{last.of("last")})
		rest(time.Hour)
		stop()
		times := make(map[string]int)
		for _, c := range append(chats, last) {
			for _, m := range c.sent() {
				for _, e := range m.Events {
					times[e.Pack]++
				}
			}
		}
		for i := range 200 {
			if pack := fmt.Sprint("cp-", i); times[pack] != 1 {
				t.Errorf("%s is sent %d times", pack, times[pack])
			}
		}
	})
}

// TestUpdateWithReplicas: a leader reads what others have sent to a channel that
// is new to it, and sends only the rest.
func TestUpdateWithReplicas(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &fakeReplicas{leader: "first", values: make(map[string][]byte)}
		w, c := newFixture(t), new(chat)
		w.replicas = fakeReplica{b, "first"}
		n, stop := w.start(t)
		rest(2 * time.Second)
		known := now("cp-1")
		log := newLog()
		log.record(Event{Kind: Gap, Source: "prod", Pack: "cp-1", Due: known.Due, At: known.At})
		for key, value := range log.encode("chat", []Event{known}) {
			if err := w.replicas.Write(t.Context(), key, value); err != nil {
				t.Fatal(err)
			}
		}
		n.Update([]Entry{c.of("a")})
		n.Gap(known)
		n.Gap(now("cp-2"))
		rest(time.Hour)
		c.want(t, "gaps in 1 pack")
		stop()
	})
}
