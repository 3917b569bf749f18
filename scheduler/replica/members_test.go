package replica

import (
	"testing"
	"time"
)

// TestMembers: whoever is silent for long is gone, unless this replica hears
// nobody, itself included.
func TestMembers(t *testing.T) {
	t.Parallel()
	m, now := newMembers("a", 15*time.Second), time.Now()
	want := func(when string, n int) {
		t.Helper()
		if got := m.count(); got != n {
			t.Errorf("%s %d are live, want %d", when, got, n)
		}
	}
	hear := func(after time.Duration, names ...string) {
		now = now.Add(after)
		for _, name := range names {
			m.heard(name, now)
		}
	}
	want("at first", 1)
	changed := m.watch()
	hear(0, "a", "b", "c")
	want("when all have been heard", 3)
	select {
	case <-changed:
	default:
		t.Error("that the number has changed is not said")
	}
	changed = m.watch()
	for range 3 {
		hear(5*time.Second, "b", "a")
	}
	want("when one has been silent for 15 s", 3)
	hear(time.Second, "b", "a")
	want("when it has been silent for longer", 2)
	<-changed
	live, gone := m.others()
	if at := gone["c"]; len(live) != 1 || len(gone) != 1 || now.Sub(at) != 16*time.Second {
		t.Errorf("live are %v, gone are %v", live, gone)
	}

	hear(time.Hour, "a")
	want("right after a suspend", 2)
	for range 4 {
		hear(5*time.Second, "a")
	}
	want("when the other one has not been heard since", 1)
	if !m.heard("b", now) || m.heard("b", now) {
		t.Error("that one has come is said never or twice")
	}
	want("when it is back", 2)
	m.left("b")
	m.left("nobody")
	m.left("a")
	want("when it has left", 1)
	for range 24 * 12 * 60 {
		hear(5*time.Second, "a")
	}
	hear(5*time.Second, "a")
	if _, gone := m.others(); len(gone) > 0 {
		t.Errorf("after a day gone are %v", gone)
	}
}

// TestLimit: the share follows the total and the number of replicas; what is
// taken beyond it stays taken.
func TestLimit(t *testing.T) {
	t.Parallel()
	g := &Group{members: newMembers("a", time.Minute)}
	l := g.NewLimit(10)
	want := func(when string, taken int) {
		t.Helper()
		if n := l.Take(); n != taken {
			t.Errorf("%s %d are free, want %d", when, n, taken)
		}
	}
	want("alone", 10)
	want("when all are taken", 0)
	l.Give(1)
	<-l.Free()
	want("when one is given back", 1)
	g.members.heard("b", time.Now())
	if l.Share() != 5 {
		t.Errorf("of two each has %d", l.Share())
	}
	l.Give(5)
	want("when the share has been halved", 0)
	l.Give(2)
	want("when some of the rest are given back", 2)
	l.Set(15)
	<-l.Free()
	want("when the total was raised", 2)
	g.members.heard("c", time.Now())
	l.Set(2)
	if l.Share() != 1 {
		t.Errorf("of a total below the number of replicas each has %d", l.Share())
	}
}
