package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// world is some members, their work, and the faults between them, all driven
// by one goroutine so that each seed is a story of its own.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	board   *slate
	bound   int
	members [4]*actor
	quiet   bool // no faults
	steps   int
}

// actor is a member in such a story.
type actor struct {
	*sharing
	*places
	atWork []context.Context // leases under which work goes on
	cut    time.Time         // it reaches nobody until then

	// What it has read and not acted on yet.
	began    time.Time
	read     division
	revision uint64
}

// start starts a member, or starts it again under the same name. In the middle
// of a rollout one may have a lower bound than others.
func (w *world) start(i int) {
	bound := w.bound
	if !w.quiet && w.rng.IntN(4) == 0 {
		bound = 1 + w.rng.IntN(w.bound)
	}
	s, p := newMember(w.t, w.board, fmt.Sprint("m", i), bound)
	w.members[i] = &actor{sharing: s, places: p}
}

// kill ends a member as kill -9 does: its work is gone with it.
func (w *world) kill(i int) {
	w.members[i].timer.Stop()
	w.members[i] = nil
}

// look has the member read the board; act has it do something about what it
// read then. Between the two others act.
func (w *world) look(a *actor) {
	if time.Now().Before(a.cut) {
		return
	}
	var err error
	a.began = time.Now()
	if a.read, a.revision, err = a.sharing.read(w.t.Context()); err != nil {
		a.began = time.Time{}
	}
}

func (w *world) act(a *actor) {
	if a.began.IsZero() || time.Now().Before(a.cut) || time.Since(a.began) > askTime {
		a.began = time.Time{}
		return
	}
	_ = a.change(w.t.Context(), a.began, a.read, a.revision) // some fail, and are not tried again here
	a.began = time.Time{}
}

func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(d))) }

// step lets one thing happen.
func (w *world) step() {
	w.steps++
	i := w.rng.IntN(len(w.members))
	a := w.members[i]
	switch k := w.rng.IntN(100); {
	case k < 12:
		time.Sleep(w.upTo(2 * usual.beat))
	case k < 14 && !w.quiet:
		time.Sleep(w.upTo(2 * usual.dead))
	case a == nil:
		if k < 40 && !w.lost() {
			w.start(i)
		}
	case k < 35:
		w.look(a)
	case k < 50:
		w.act(a)
	case k < 65:
		w.look(a)
		w.act(a)
	case k < 80:
		n, lease := a.take()
		for range n {
			a.atWork = append(a.atWork, lease)
		}
	case k < 90:
		for n := w.rng.IntN(len(a.atWork) + 1); n > 0; n-- {
			a.atWork = a.atWork[1:]
			a.give(1)
		}
	case w.quiet:
	case k < 92:
		w.kill(i)
	case k < 93:
		w.end(i)
	case k < 95:
		a.cut = time.Now().Add(w.upTo(2 * usual.dead))
	case k < 97 && len(w.board.late) > 0:
		w.board.late[0]()
		w.board.late = w.board.late[1:]
	case k == 97 && !slices.ContainsFunc(w.members[:], (*actor).fresh):
		w.board.lose()
	}
}

// lost reports whether the board has been lost and no member has noticed. Who
// starts at that very moment cannot know that there are others.
func (w *world) lost() bool {
	return w.board.value == nil && slices.ContainsFunc(w.members[:], func(a *actor) bool { return a != nil && a.told > 0 })
}

// fresh reports whether the member lives and knows of no division yet.
func (a *actor) fresh() bool { return a != nil && a.told == 0 }

// end has the member end well: its work first, then it takes itself out.
func (w *world) end(i int) {
	a := w.members[i]
	if time.Now().After(a.cut) {
		a.leave(w.t.Context()) //nolint:errcheck // as in life, others wait until it is dead for them
	}
	w.kill(i)
}

// check holds that no more is at work than the bound.
func (w *world) check() {
	synctest.Wait()
	n := 0
	for _, a := range w.members {
		if a == nil {
			continue
		}
		a.atWork = slices.DeleteFunc(a.atWork, func(lease context.Context) bool {
			if lease.Err() != nil {
				a.give(1) // such work ends
			}
			return lease.Err() != nil
		})
		n += len(a.atWork)
	}
	if d := w.board.divided(w.t); n > w.bound || d.sum("prod") > w.bound && !d.Anew {
		w.t.Fatalf("step %d: %d at work, bound %d: %+v", w.steps, n, w.bound, d)
	}
}

// TestBoundInEveryStory lets members join, leave, crash, come back, be cut off,
// read and write at the worst of times, and lose the board. Never is more at
// work than the bound; and in the end, whoever is left has all of it.
func TestBoundInEveryStory(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), board: new(slate)}
			w.bound = []int{1, 2, 3, 10, 64}[w.rng.IntN(5)]
			w.board.trouble = func() trouble {
				if how := trouble(w.rng.IntN(12)); !w.quiet && how <= late {
					return how
				}
				return fine
			}
			for range 1500 {
				w.step()
				w.check()
			}
			w.quiet = true
			for i, a := range w.members {
				switch {
				case a != nil && a.bound == w.bound:
					a.cut = time.Time{}
				case a != nil: // the rollout ends
					w.kill(i)
					w.start(i)
				case i == 0:
					w.start(i) // somebody is left
				}
			}
			for ended := time.Now().Add(4 * usual.dead); time.Now().Before(ended); {
				for _, a := range w.members {
					if a != nil {
						w.look(a)
						w.act(a)
						a.give(len(a.atWork))
						a.atWork = nil
					}
				}
				time.Sleep(usual.beat)
				w.check()
			}
			sum := 0
			for _, a := range w.members {
				if a != nil {
					n, _ := a.take()
					sum += n
					a.timer.Stop()
				}
			}
			if sum != w.bound {
				t.Errorf("seed %d: in the end %d places of %d can be used: %+v", seed, sum, w.bound, w.board.divided(t))
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
