package queue

import (
	"context"
	"sync"
	"testing"
	"time"

	"packseal.example/internal/fault"
)

// lease returns a lease that is renewed often enough for a test.
func lease(q *JetStream) *Lease {
	l := q.Lease("test")
	l.term = term{renew: 50 * time.Millisecond, fence: 400 * time.Millisecond, over: 800 * time.Millisecond}
	return l
}

// run runs it and returns what ends it and waits.
func (l *Lease) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		l.Run(ctx)
		close(done)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(stop)
	return stop
}

// holder waits until one of the leases is held and returns which. It fails
// when ever two of them are at once.
func holder(t *testing.T, all ...*Lease) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		held := -1
		for i, l := range all {
			if l.Held() && held >= 0 && all[held].Held() { // still
				t.Fatalf("%d and %d both hold it", held, i)
			} else if l.Held() && held < 0 {
				held = i
			}
		}
		if held >= 0 {
			return held
		}
		if !fault.Sleep(ctx, time.Millisecond) {
			t.Fatal("nobody holds it")
		}
	}
}

// without returns the leases but for one.
func without(all []*Lease, i int) (rest []*Lease) {
	rest = append(rest, all[:i]...)
	return append(rest, all[i+1:]...)
}

func TestLeaseAlone(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	l := q.Lease("test")
	defer l.run(t)()
	if !l.Held() {
		t.Error("who is alone does not hold it")
	}
}

// TestLease: one of three replicas holds it; when that one ends another has it
// at once, and when one is cut off, another has it after a while, and never
// two.
func TestLease(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, nil)
	r.start(t, 0, 1, 2)
	var all []*Lease
	var stops []func()
	for _, q := range r.queues {
		l := lease(q)
		all, stops = append(all, l), append(stops, l.run(t))
	}
	first := holder(t, all...)
	if entry, err := r.queues[first].engine.board.Get(t.Context(), "lease.test"); err != nil || string(entry.Value()) != r.queues[first].member {
		t.Errorf("on the board stands %v, %v", entry, err)
	}
	began := time.Now()
	stops[first]()
	if all[first].Held() {
		t.Error("who has ended still holds it")
	}
	rest := without(all, first)
	second := holder(t, rest...)
	if took := time.Since(began); took > usualTerm.over {
		t.Errorf("it was given back, and taken up after %v", took)
	}
	// The second one is cut off: its connection goes, and it does not know.
	cut := rest[second]
	for i, l := range all {
		if l == cut {
			r.queues[i].engine.conn.Close()
		}
	}
	for cut.Held() { // until it has noticed, nobody else has it
		holder(t, rest...)
	}
	if third := holder(t, rest...); rest[third] == cut {
		t.Error("who is cut off holds it")
	}
}

// TestLeaseClocks: a holder whose machine was suspended, or whose clock was
// set, does not take itself for the holder until it has asked.
func TestLeaseClocks(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, nil)
	r.start(t, 0, 1, 2)
	l, other := r.queues[0].Lease("test"), r.queues[1].Lease("test")
	eventually(t, "it is free and taken", func() bool { return l.turn(t.Context()) == nil && l.Held() })
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		l.hold(time.Now().Round(0).Add(by)) // without the reading of elapsed time
		if l.Held() {
			t.Errorf("held, although the clock was set by %v", by)
		}
		if err := l.turn(t.Context()); err != nil || !l.Held() {
			t.Errorf("it does not find that it holds it: %v", err)
		}
	}
	for range 3 {
		if err := other.turn(t.Context()); err != nil || other.Held() {
			t.Fatalf("two hold it: %v", err)
		}
	}
	other.since = time.Now().Add(-other.over)
	if err := other.turn(t.Context()); err != nil || !other.Held() {
		t.Errorf("it is not taken from who is silent: %v", err)
	}
	if err := l.turn(t.Context()); err != nil || l.Held() {
		t.Errorf("who was silent holds it too: %v", err)
	}
}
