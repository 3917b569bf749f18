package queue

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
	"packseal.example/test/lab"
)

// young is a task whose deadline is so far from now.
func young(pack string, left time.Duration) scheduler.Task {
	t := task(pack, 0)
	t.Deadline = time.Now().Add(left).UTC().Truncate(time.Millisecond)
	return t
}

// pause pauses the pack, or the source if it is empty.
func pause(t testing.TB, q *JetStream, pack string) Pause {
	t.Helper()
	p := Pause{Source: "prod", Pack: pack, Since: time.Now().UTC().Truncate(time.Second), By: "alice@host", Why: "storage moves"}
	set, added, err := q.Pause(t.Context(), p)
	if err != nil || !added || set != p {
		t.Fatalf("pausing: %+v %v %v", set, added, err)
	}
	return p
}

// resume ends a pause that is in force.
func resume(t testing.TB, q *JetStream, pack string) {
	t.Helper()
	if was, err := q.Resume(t.Context(), "prod", pack); err != nil || !was {
		t.Fatalf("resuming: %v %v", was, err)
	}
}

// list returns the whole queue.
func list(t testing.TB, q *JetStream, sel Selection) (l *Listing, slots map[string]Listed) {
	t.Helper()
	l, err := q.List(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	slots = make(map[string]Listed)
	for s, err := range l.Slots {
		if err != nil {
			t.Fatal(err)
		}
		slots[s.Pack] = s
	}
	return l, slots
}

// states waits until the queue, as q sees it, is in these states.
func states(t testing.TB, q *JetStream, want map[string]State) {
	t.Helper()
	var got map[string]State
	defer func() {
		if t.Failed() {
			t.Logf("it is %v, not %v", got, want)
		}
	}()
	lab.Eventually(t, "the states", func() bool {
		got = make(map[string]State)
		_, slots := list(t, q, Selection{})
		for pack, s := range slots {
			got[pack] = s.State
		}
		return maps.Equal(got, want)
	})
}

// TestPauseHolds: what is paused is not begun, what is at work is finished,
// others go on, and what waits goes on at once on resume, as if handed out for
// the first time. All of it survives a restart.
func TestPauseHolds(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"cp-1", ""} {
		t.Run("pack "+what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			q, reg := open(t, dir)
			got, finish := make(chan scheduler.Task, 8), make(chan time.Duration)
			handle := func(_ context.Context, t scheduler.Task) time.Duration {
				got <- t
				return <-finish
			}
			stop := work(t, q, 4, handle)
			publish(t, q, young("cp-1", time.Hour))
			receive(t, got)
			p := pause(t, q, what)
			states(t, q, map[string]State{"cp-1": Working}) // it is finished
			finish <- time.Millisecond
			states(t, q, map[string]State{"cp-1": Paused})
			if n := value(t, reg, "packseal_paused", "prod"); n != 1 {
				t.Errorf("%v pauses are in force", n)
			}
			if what != "" {
				publish(t, q, young("cp-2", time.Hour))
				receive(t, got)
				finish <- 0
				empty(t, q, "cp-2")
			}
			stop()
			q.Close()

			q, _ = open(t, dir)
			if all := q.Pauses(); !slices.Equal(all, []Pause{p}) {
				t.Errorf("after a restart, paused are %v", all)
			}
			work(t, q, 4, handle)
			if what != "" {
				lab.Eventually(t, "the slot is held again", func() bool {
					_, slots := list(t, q, Selection{})
					return slots["cp-1"].Member != ""
				})
			}
			_, slots := list(t, q, Selection{})
			if s := slots["cp-1"]; s.State != Paused || s.Paused == nil || *s.Paused != p || s.Delivered > 0 {
				t.Errorf("while it is paused: %+v", s)
			}
			if len(got) > 0 {
				t.Fatal("it was handed out while paused")
			}
			began := time.Now()
			resume(t, q, what)
			if task := receive(t, got); task.Delivered != 1 {
				t.Errorf("on resume it is the time %d", task.Delivered)
			}
			if waited := time.Since(began); waited > deferDelay/3 {
				t.Errorf("it went on after %s", waited)
			}
			finish <- 0
			empty(t, q, "cp-1")
		})
	}
}

// TestPauseInBetween: a request for tasks that stands when the source is
// paused takes none of them to work.
func TestPauseInBetween(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	got := make(chan scheduler.Task, 8)
	work(t, q, 2, into(got))
	publish(t, q, young("cp-0", time.Hour)) // when it came back, a request stands
	receive(t, got)
	empty(t, q, "cp-0")
	pause(t, q, "")
	want := make(map[string]State)
	for i := range 5 {
		pack := fmt.Sprint("cp-1", i)
		publish(t, q, young(pack, time.Hour))
		want[pack] = Paused
	}
	states(t, q, want)
	if len(got) > 0 {
		t.Errorf("%s was begun", receive(t, got))
	}
	resume(t, q, "")
	for range 5 {
		if task := receive(t, got); task.Delivered != 1 {
			t.Errorf("%s came as the time %d", task, task.Delivered)
		}
	}
}

// TestPausedUntilDeadline: the handler gets what is paused past its deadline,
// to settle it, again if need be; what is not past it stays.
func TestPausedUntilDeadline(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"cp-1", ""} {
		t.Run("pack "+what, func(t *testing.T) {
			t.Parallel()
			q, _ := open(t, t.TempDir())
			p := pause(t, q, what)
			publish(t, q, young("cp-1", time.Second))
			pause(t, q, "cp-later")
			publish(t, q, young("cp-later", time.Hour))
			got := make(chan scheduler.Task, 8)
			tries := 0
			work(t, q, 1, func(_ context.Context, t scheduler.Task) time.Duration {
				got <- t
				tries++
				return time.Duration(2-tries) * time.Millisecond
			})
			for range 2 {
				task := receive(t, got)
				if task.Pack != "cp-1" || task.Paused != p.String() || time.Now().Before(task.Deadline) {
					t.Errorf("handed out is %+v", task)
				}
				task.Fetched()
			}
			states(t, q, map[string]State{"cp-later": Paused})
		})
	}
}

// TestExpireAfter: how often paused slots are checked follows from how many there are.
func TestExpireAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listed, read int
		want         time.Duration
	}{
		{1, 1, expireSoonest}, {1000, 1, expireSoonest}, {1000, 1000, 11 * time.Second}, {10_000, 1, 10*time.Second + 10*time.Millisecond}, {100_000, 100_000, expireLatest},
	} {
		if got := expireAfter(c.listed, c.read); got != c.want {
			t.Errorf("after %d of %d slots: %s, want %s", c.read, c.listed, got, c.want)
		}
	}
}

// TestPausesAreFew: what is paused already stays as it is, and there is an end
// to it.
func TestPausesAreFew(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	first := pause(t, q, "cp-1")
	again, added, err := q.Pause(t.Context(), Pause{Source: "prod", Pack: "cp-1", By: "bob"})
	if err != nil || added || again != first {
		t.Errorf("a second time: %+v %v %v", again, added, err)
	}
	if was, err := q.Resume(t.Context(), "prod", "cp-2"); was || err != nil {
		t.Errorf("resuming what is not paused: %v %v", was, err)
	}
	err = q.pauses.change(t.Context(), func(all []Pause) ([]Pause, bool, error) {
		for i := range maxPauses - 1 {
			all = append(all, Pause{Source: "prod", Pack: fmt.Sprint("ca-1/cp-", i), By: strings.Repeat("b", 100), Why: strings.Repeat("w", 500)})
		}
		return all, true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = q.Pause(t.Context(), Pause{Source: "test"})
	if fault.Of(err) != fault.Request || fault.Hint(err) == "" {
		t.Errorf("one too many: %v", err)
	}
	if p, ok := q.Paused("prod", "ca-1/cp-7"); !ok || p.Pack != "ca-1/cp-7" {
		t.Errorf("paused is %+v %v", p, ok)
	}
}

// TestPauseInAllReplicas: a pause that one replica sets holds in all, also
// after all have been restarted, and so does its end.
func TestPauseInAllReplicas(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, nil)
	r.start(t, 0, 1, 2)
	p := pause(t, r.queues[0], "")
	known := func(n int) {
		t.Helper()
		for i, q := range r.queues {
			lab.Eventually(t, fmt.Sprint("member ", i, " knows"), func() bool { return len(q.Pauses()) == n })
		}
	}
	known(1)
	r.each(r.stop, 0, 1, 2)
	r.start(t, 0, 1, 2)
	known(1)
	got := make(chan scheduler.Task, 64)
	for _, q := range r.queues {
		work(t, q, 2, into(got))
	}
	const packs = 20
	for i := range packs {
		publish(t, r.queues[i%3], young(fmt.Sprint("cp-", i), time.Hour))
	}
	for i, q := range r.queues {
		l, slots := list(t, q, Selection{})
		if l.Counts[Paused] != packs || len(slots) != packs || slots["cp-3"].Paused == nil || *slots["cp-3"].Paused != p {
			t.Errorf("member %d lists %v, %+v", i, l.Counts, slots["cp-3"])
		}
	}
	if len(got) > 0 {
		t.Fatalf("%s was begun", receive(t, got))
	}
	resume(t, r.queues[2], "")
	seen := make(map[string]int)
	for range packs {
		seen[receive(t, got).Pack]++
	}
	if len(seen) != packs {
		t.Errorf("on resume came %v", seen)
	}
	known(0)
}

// TestBucketLost: when the bucket is lost, nothing is paused any more, and a new
// pause can be set.
func TestBucketLost(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, nil)
	r.start(t, 0, 1, 2)
	pause(t, r.queues[0], "cp-1")
	lab.Eventually(t, "another member knows", func() bool { return len(r.queues[1].Pauses()) == 1 })
	if err := r.queues[2].stream.js.DeleteKeyValue(t.Context(), r.queues[2].stream.prefix.bucket()); err != nil {
		t.Fatal(err)
	}
	p := Pause{Source: "prod", Pack: "cp-2", By: "bob", Why: "again"}
	lab.Eventually(t, "another pause can be set", func() bool {
		_, added, err := r.queues[0].Pause(t.Context(), p)
		return err == nil && added
	})
	for _, q := range r.queues {
		lab.Eventually(t, "every member knows that alone", func() bool { return slices.Equal(q.Pauses(), []Pause{p}) })
	}
}

// TestPauseEnds: a pause with an end is over by itself, in all that asks for it, and
// what waits goes on. It takes no room from others, and can be set again.
func TestPauseEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, reg := open(t, dir)
	p := Pause{Source: "prod", Since: time.Now().UTC().Truncate(time.Second), Until: time.Now().UTC().Add(3 * time.Second).Truncate(time.Millisecond), By: "alice@host", Why: "key rotation"}
	if !strings.Contains(p.String(), " until "+p.Until.Format(time.RFC3339)+" by alice@host") {
		t.Errorf("it says %s", p)
	}
	if set, added, err := q.Pause(t.Context(), p); err != nil || !added || set != p {
		t.Fatalf("pausing: %+v %v %v", set, added, err)
	}
	got := make(chan scheduler.Task, 8)
	stop := work(t, q, 4, func(_ context.Context, t scheduler.Task) time.Duration { got <- t; return 0 })
	publish(t, q, young("cp-1", time.Hour))
	states(t, q, map[string]State{"cp-1": Paused})
	receive(t, got)
	if now := time.Now(); now.Before(p.Until) {
		t.Errorf("begun %s before the end", p.Until.Sub(now))
	}
	empty(t, q, "cp-1")
	if _, ok := q.Paused("prod", "cp-1"); ok || len(q.Pauses()) > 0 || value(t, reg, "packseal_paused", "prod") != 0 {
		t.Errorf("in force is %v", q.Pauses())
	}
	if was, err := q.Resume(t.Context(), "prod", ""); was || err != nil {
		t.Errorf("resuming what is over: %v, %v", was, err)
	}
	p.Until = p.Since.Add(time.Hour)
	if set, added, err := q.Pause(t.Context(), p); err != nil || !added || set != p {
		t.Errorf("pausing again: %+v %v %v", set, added, err)
	}
	stop()
}
