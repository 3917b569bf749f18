package queue

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// crew is members of one board whose turns the test takes, or lets them take.
type crew struct {
	board    *slate
	sharings map[string]*sharing
	places   map[string]*places
}

func newCrew(t testing.TB, bound int, names ...string) *crew {
	t.Helper()
	c := &crew{new(slate), make(map[string]*sharing), make(map[string]*places)}
	for _, name := range names {
		c.sharings[name], c.places[name] = newMember(t, c.board, name, bound)
		t.Cleanup(func() { c.sharings[name].timer.Stop() })
	}
	return c
}

// turns lets each of them take a turn, so often.
func (c *crew) turns(t testing.TB, times int, names ...string) {
	t.Helper()
	for range times {
		for _, name := range names {
			if err := c.sharings[name].turn(t.Context()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// have holds what each may take.
func (c *crew) have(t testing.TB, when string, want map[string]int) {
	t.Helper()
	have := make(map[string]int)
	for name, p := range c.places {
		p.mu.Lock()
		have[name] = p.allowed
		p.mu.Unlock()
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("%s (-want +have):\n%s", when, diff)
	}
}

func TestAim(t *testing.T) {
	t.Parallel()
	of := func(places ...int) division { // of the members a, b, c …; less than 0 = does not work on it
		d := division{Members: make(map[string]stake)}
		for i, n := range places {
			s := stake{Places: map[string]int{"another": 7}}
			if n >= 0 {
				s.Places["prod"] = n
			}
			d.Members[string(rune('a'+i))] = s
		}
		return d
	}
	lost := of(3, 9, 0)
	lost.Anew = true
	for _, c := range []struct {
		what  string
		d     division
		me    string
		bound int
		want  int
	}{
		{"alone", of(0), "a", 64, 64},
		{"the remainder goes to the first", of(0, 0, 0), "a", 64, 22},
		{"and to no other", of(0, 0, 0), "b", 64, 21},
		{"two are left over", of(0, 0, 0), "b", 11, 4},
		{"fewer than members", of(0, 0, 0), "a", 1, 1},
		{"fewer than members", of(0, 0, 0), "c", 1, 0},
		{"no room yet", of(64, 0), "b", 64, 0},
		{"some room", of(50, 0), "b", 64, 14},
		{"too many", of(64, 0), "a", 64, 32},
		{"who does not work on it has no part", of(0, -1, 0), "a", 64, 32},
		{"others go by a higher bound", of(32, 0), "b", 10, 0},
		{"others go by a lower bound", of(2, 0), "b", 64, 32},
		{"nonsense", of(0, -1<<40), "a", 64, 64},
		{"anew, none is raised", lost, "a", 64, 3},
		{"anew, and lowered", lost, "b", 10, 3},
	} {
		if got := c.d.aim(c.me, "prod", c.bound); got != c.want {
			t.Errorf("%s: %s of %d should have %d, got %d", c.what, c.me, c.bound, c.want, got)
		}
	}
}

// TestEnter: others stand as they did, but for who is gone; of me only what I
// work on stands there.
func TestEnter(t *testing.T) {
	t.Parallel()
	d := division{Members: map[string]stake{
		"a": {7, map[string]int{"prod": 5, "former": 1}}, "b": {8, map[string]int{"prod": 4, "another": 3}}, "c": {9, nil},
	}}
	before, _ := json.Marshal(d)
	want := division{Members: map[string]stake{
		"a": {70, map[string]int{"prod": 5, "new": 0}}, "b": {8, map[string]int{"prod": 4, "another": 3}},
	}}
	if diff := cmp.Diff(want, d.enter("a", 70, map[string]int{"prod": 2, "new": 9}, []string{"c", "nobody"})); diff != "" {
		t.Error(diff)
	}
	want.Members["a"], want.Anew = stake{70, map[string]int{"prod": 2}}, true
	d.Anew = true
	if diff := cmp.Diff(want, d.enter("a", 70, map[string]int{"prod": 2}, []string{"c"})); diff != "" {
		t.Errorf("anew: %s", diff)
	}
	d.Anew = false
	if diff := cmp.Diff([]string{"b", "c"}, names(d.without("a"))); diff != "" {
		t.Error(diff)
	}
	if after, _ := json.Marshal(d); string(before) != string(after) {
		t.Errorf("%s became %s", before, after)
	}
}

// TestLookout: gone is who was seen to give no sign of life for long, by one
// who looked all the time.
func TestLookout(t *testing.T) {
	t.Parallel()
	l, now := lookout{pace: pace{fence: 30 * time.Second, dead: 45 * time.Second}}, time.Now()
	look := func(after time.Duration, a, b uint64, want ...string) {
		t.Helper()
		now = now.Add(after)
		got := l.look(division{Members: map[string]stake{"a": {Beat: a}, "b": {Beat: b}}}, now)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("gone are %q, want %q", got, want)
		}
	}
	look(0, 1, 1)
	for range 3 {
		look(14*time.Second, 1, 1)
	}
	look(2*time.Second, 1, 2)
	look(time.Second, 1, 2, "a")
	look(0, 9, 2) // it is back
	for range 3 {
		look(14*time.Second, 9, 2)
	}
	look(16*time.Second, 9, 2) // could not look: all may have been cut off
	for range 3 {
		look(14*time.Second, 9, 2)
	}
	look(3*time.Second, 9, 2, "a", "b")
}

// TestPartsMove follows the places of three members through their lives, in
// steps of one beat, with each at its own work.
func TestPartsMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 10, "a", "b", "c")
		ends := make(map[string]func())
		run := func(name string) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { c.sharings[name].run(ctx); close(done) }()
			ends[name] = func() { cancel(); <-done }
		}
		after := func(d time.Duration) { time.Sleep(d); synctest.Wait() }

		run("a")
		after(time.Second)
		c.have(t, "alone, all at once", map[string]int{"a": 10, "b": 0, "c": 0})
		a := c.places["a"]
		a.take()
		run("b")
		after(10 * usual.beat)
		c.have(t, "who is at work lowers", map[string]int{"a": 5, "b": 0, "c": 0})
		a.give(3)
		after(2 * usual.beat)
		c.have(t, "what comes free is the other's", map[string]int{"a": 5, "b": 3, "c": 0})
		if a, b := c.sharings["a"].part("prod"), c.sharings["b"].part("prod"); a != 0.7 || b != 0.3 {
			t.Errorf("the rate's parts are %v and %v", a, b)
		}
		a.give(7)
		after(2 * usual.beat)
		run("c")
		after(3 * usual.beat)
		c.have(t, "three", map[string]int{"a": 4, "b": 3, "c": 3})

		ends["b"]()
		after(2 * usual.beat)
		c.have(t, "one has ended well", map[string]int{"a": 5, "b": 3, "c": 5}) // b's own count is of no use any more
		if got := names(c.board.divided(t)); len(got) != 2 {
			t.Errorf("there stand %q", got)
		}

		_, lease := c.places["c"].take()
		began := time.Now()
		c.sharings["c"].board.(*line).cut.Store(true)
		after(usual.fence - usual.beat - time.Second)
		if lease.Err() != nil {
			t.Errorf("work ends after %s", time.Since(began))
		}
		after(usual.beat + time.Second)
		if lease.Err() == nil || context.Cause(lease) != errTaken {
			t.Errorf("work goes on after %s: %v", time.Since(began), context.Cause(lease))
		}
		c.places["c"].give(5)
		c.have(t, "cut off", map[string]int{"a": 5, "b": 3, "c": 0})
		after(usual.dead - usual.fence + 3*usual.beat)
		c.have(t, "its part is the other's", map[string]int{"a": 10, "b": 3, "c": 0})
		c.sharings["c"].board.(*line).cut.Store(false)
		after(3 * usual.beat)
		c.have(t, "back again", map[string]int{"a": 5, "b": 3, "c": 5})
		ends["a"]()
		ends["c"]()
		if got := names(c.board.divided(t)); len(got) != 0 {
			t.Errorf("there stand %q", got)
		}
	})
}

// TestBoardIsLost: each keeps what it has, and takes no more until all who may
// have some had the time to say so. The same when it is set back to an old copy.
func TestBoardIsLost(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"lost", "set back", "unreadable"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, 10, "a", "b", "c")
				c.turns(t, 1, "a")
				value, revision := c.board.value, c.board.revision
				c.turns(t, 3, "a", "b", "c")
				want := map[string]int{"a": 4, "b": 3, "c": 3}
				c.have(t, "before", want)
				_, lease := c.places["b"].take()
				switch what {
				case "lost":
					c.board.lose()
				case "set back":
					c.board.value, c.board.revision = value, revision
				default:
					c.board.value = []byte("{")
				}
				c.turns(t, 2, "a", "b")
				c.have(t, "after", want)
				if lease.Err() != nil {
					t.Error("work ends although its place is its own")
				}
				c.places["b"].give(3)
				for range usual.dead / usual.beat {
					time.Sleep(usual.beat)
					c.have(t, "until it is settled", want)
					c.turns(t, 1, "a", "b") // c has died meanwhile
					if c.sharings["c"].timer.Stop(); !c.board.divided(t).Anew {
						break
					}
				}
				c.turns(t, 2, "a", "b")
				for range 2 * usual.dead / usual.beat {
					time.Sleep(usual.beat)
					c.turns(t, 1, "a", "b")
				}
				want["a"], want["b"] = 5, 5
				c.have(t, "in the end", want)
			})
		})
	}
}

// TestTakenOut: who was halted for so long that others took it for dead ends
// its work when it goes on, and begins with what is left.
func TestTakenOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 10, "a", "b")
		c.turns(t, 3, "a", "b")
		_, lease := c.places["a"].take()
		b := c.sharings["b"]
		d, revision, err := b.read(t.Context())
		if err == nil {
			_, err = b.write(t.Context(), d.without("a"), revision)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.turns(t, 1, "b", "a")
		if lease.Err() == nil {
			t.Error("work goes on although its place is another's")
		}
		c.have(t, "taken out", map[string]int{"a": 0, "b": 10})
		c.places["a"].give(5)
		c.turns(t, 2, "b", "a")
		c.have(t, "in again", map[string]int{"a": 5, "b": 5})
	})
}

// TestTwoOfOneSource: a source has one division in a process.
func TestTwoOfOneSource(t *testing.T) {
	t.Parallel()
	s, p := newMember(t, new(slate), "a", 3)
	if _, _, err := s.work("prod", 3, p.gauge); err == nil {
		t.Error("no error")
	}
	if part := s.part("none"); part != 0 {
		t.Errorf("of a source that it does not know it has %v", part)
	}
}

// names are who stands in the division, in order.
func names(d division) []string { return slices.Sorted(maps.Keys(d.Members)) }
