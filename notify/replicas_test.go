package notify

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/internal/fault"
)

// fakeReplicas is what replicas share in a test.
type fakeReplicas struct {
	mu     sync.Mutex
	leader string
	values map[string][]byte
	broken bool
}

// turn makes a replica the leader.
func (b *fakeReplicas) turn(replica string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leader = replica
}

// fakeReplica is a replica's view of it.
type fakeReplica struct {
	*fakeReplicas
	replica string
}

func (r fakeReplica) IsLeader() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leader == r.replica
}

func (r fakeReplica) Read(context.Context) (map[string][]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken {
		return nil, fault.New(fault.Unavailable, "the store is away")
	}
	return maps.Clone(r.values), nil
}

func (r fakeReplica) Write(_ context.Context, key string, value []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.values[key] = value
	return nil
}

// replicas starts two Notices with a channel of one name each.
func replicas(t *testing.T, b *fakeReplicas, entry func(*chat) Entry) (first, second *Notices, one, two *chat) {
	t.Helper()
	one, two = new(chat), new(chat)
	start := func(name string, c *chat) *Notices {
		w := newFixture(t)
		w.replicas = fakeReplica{b, name}
		n, stop := w.start(t, entry(c))
		t.Cleanup(stop)
		return n
	}
	first, second = start("first", one), start("second", two)
	return first, second, one, two
}

// TestOneSends: what all replicas know is sent by the leader, and not again by the
// next one; what was not sent before leadership changes is sent after.
func TestOneSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &fakeReplicas{leader: "first", values: make(map[string][]byte)}
		first, second, one, two := replicas(t, b, (*chat).entry)
		time.Sleep(2 * time.Second)
		gap := now("cp-1")
		for _, n := range []*Notices{first, second} {
			n.Gap(gap)
		}
		time.Sleep(2 * time.Minute)
		if len(one.sent()) != 1 || len(two.sent()) != 0 {
			t.Fatalf("%d and %d messages were sent, want 1 and none", len(one.sent()), len(two.sent()))
		}
		late, sealed := now("cp-2"), now("cp-1")
		b.turn("")
		time.Sleep(2 * time.Second)
		for _, n := range []*Notices{first, second} {
			n.Gap(late)
			n.Sealed(sealed)
		}
		time.Sleep(2 * time.Minute)
		if len(one.sent())+len(two.sent()) != 1 {
			t.Error("something was sent without a leader")
		}
		b.mu.Lock()
		b.broken = true
		b.mu.Unlock()
		b.turn("second")
		time.Sleep(2 * time.Minute)
		if len(two.sent()) > 0 {
			t.Error("it sends before it knows what was sent")
		}
		b.mu.Lock()
		b.broken = false
		b.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if len(one.sent()) != 1 || len(two.sent()) != 1 {
			t.Fatalf("%d and %d messages were sent, want one each", len(one.sent()), len(two.sent()))
		}
		if text := two.sent()[0].Text(); !strings.Contains(text, "cp-2") || len(two.sent()[0].Events) != 2 {
			t.Errorf("the next one sends %+v", two.sent()[0].Events)
		}
		b.turn("first") // and back
		for _, n := range []*Notices{first, second} {
			n.Gap(gap)
			n.Gap(late)
		}
		time.Sleep(2 * time.Minute)
		if len(one.sent()) != 1 || len(two.sent()) != 1 {
			t.Errorf("sent again: %+v", one.sent()[len(one.sent())-1].Events)
		}
	})
}

// TestOwnEvents: what only one replica knows, it sends itself.
func TestOwnEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &fakeReplicas{leader: "first", values: make(map[string][]byte)}
		_, second, one, two := replicas(t, b, (*chat).entry)
		second.Gap(now("cp-1"))
		second.ReloadFailed(fault.New(fault.Request, "no such key"))
		time.Sleep(2 * time.Minute)
		if len(one.sent()) != 0 || len(two.sent()) != 1 || len(two.sent()[0].Events) != 1 || two.sent()[0].Events[0].Kind != ReloadFailed {
			t.Errorf("sent were %+v and %+v", one.sent(), two.sent())
		}
	})
}

// TestCatchesUp: a new leader still knows what it sent itself, and the gaps that its
// channel does not want, whose recovery it does want.
func TestCatchesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &fakeReplicas{leader: "second", values: make(map[string][]byte)}
		one := new(chat)
		w := newFixture(t)
		w.replicas, w.problems = fakeReplica{b, "first"}, map[string]int{"missing": 1}
		e := one.entry()
		e.On = []Kind{Recovered, Problems}
		first, stop := w.start(t, e)
		defer stop()
		time.Sleep(3 * time.Minute)
		if len(one.sent()) != 1 {
			t.Fatalf("its own findings: %+v", one.sent())
		}
		gap := now("cp-1")
		first.Gap(gap)
		if err := first.opts.Replicas.Write(t.Context(), "chat", []byte(`{"since":"2000-01-01T00:00:00Z","digest":"2000-01-01T00:00:00Z"}`)); err != nil {
			t.Fatal(err)
		}
		b.turn("first")
		time.Sleep(3 * time.Minute)
		if len(one.sent()) != 1 {
			t.Errorf("sent again: %+v", one.sent()[1:])
		}
		first.Sealed(gap)
		time.Sleep(3 * time.Minute)
		if sent := one.sent(); len(sent) != 2 || sent[1].Events[0].Kind != Recovered {
			t.Errorf("the recovery is not sent: %+v", sent)
		}
	})
}

// TestManyPending: a replica that does not lead keeps the latest events, and does
// not count the others as dropped.
func TestManyPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &fakeReplicas{leader: "first", values: make(map[string][]byte)}
		_, second, _, _ := replicas(t, b, (*chat).entry)
		for i := range maxPending + 5 {
			second.Gap(now(fmt.Sprint("cp-", i)))
		}
		second.mu.Lock()
		defer second.mu.Unlock()
		c := second.dispatchers[0]
		if len(c.pending) != maxPending || c.dropped != 0 || c.pending[0].number != 6 {
			t.Errorf("%d wait from number %d on, %d were dropped", len(c.pending), c.pending[0].number, c.dropped)
		}
	})
}

// TestOneHeartbeat: of two replicas one pings.
func TestOneHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &fakeReplicas{leader: "first", values: make(map[string][]byte)}
		_, _, one, two := replicas(t, b, func(c *chat) Entry {
			c.traits = Traits{PerMinute: 60, Heartbeat: time.Minute}
			return Entry{Name: "ping", Channel: c}
		})
		time.Sleep(10 * time.Minute)
		b.turn("second")
		sent := len(one.sent())
		time.Sleep(10 * time.Minute)
		if sent < 9 || len(one.sent()) > sent+1 || len(two.sent()) < 9 || len(two.sent()) > 12 {
			t.Errorf("%d pings, then %d and %d", sent, len(one.sent())-sent, len(two.sent()))
		}
	})
}
