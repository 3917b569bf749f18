package queue

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/scheduler"
)

func TestEachSlotOnce(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	const packs = 200
	got := make(chan scheduler.Task, 2*packs)
	work(t, q, 16, into(got))
	want := make(map[string]int)
	for i := range packs {
		task := task(fmt.Sprint("cp-", i), 0)
		publish(t, q, task)
		want[task.ID()] = 1
	}
	seen := make(map[string]int)
	for range packs {
		task := receive(t, got)
		seen[task.ID()]++
		if task.Delivered != 1 || !task.Deadline.Equal(due.Add(2*time.Hour)) {
			t.Errorf("%+v: handed out for the first time with its deadline, it should be", task)
		}
		empty(t, q, task.Pack)
	}
	if len(got) > 0 {
		t.Errorf("%d were handed out twice", len(got))
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func TestAgain(t *testing.T) {
	t.Parallel()
	q, reg := open(t, t.TempDir())
	got := make(chan scheduler.Task, 8)
	start := time.Now()
	work(t, q, 1, func(_ context.Context, t scheduler.Task) time.Duration {
		got <- t
		if t.Pack == "cp-trouble" && t.Delivered < 3 {
			return 300 * time.Millisecond
		}
		return 0
	})
	publish(t, q, task("cp-trouble", 0))
	receive(t, got)
	// What waits for another try holds up nobody, not even of one worker.
	publish(t, q, task("cp-fine", 0))
	if next := receive(t, got); next.Pack != "cp-fine" {
		t.Errorf("%s was next, the other pack should be", next.ID())
	}
	for delivered := 2; delivered <= 3; delivered++ {
		if again := receive(t, got); again.Pack != "cp-trouble" || again.Delivered != delivered {
			t.Errorf("%+v came back, wanted as the time %d", again, delivered)
		}
	}
	if waited := time.Since(start); waited < 600*time.Millisecond {
		t.Errorf("came back after %v, too soon", waited)
	}
	empty(t, q, "cp-trouble", "cp-fine")
	if n := value(t, reg, "packseal_queue_redelivered_total", "prod"); n != 2 {
		t.Errorf("counted %v redeliveries, want 2", n)
	}
}

func TestDuplicateAndOverlap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, _ := open(t, dir)
	first, second := task("ca-1/cp-1", 0), task("ca-1/cp-1", 24)
	publish(t, q, first)
	refused := func(when string, task scheduler.Task, want error) {
		t.Helper()
		err := q.Publish(t.Context(), task)
		if over, ok := errors.AsType[*scheduler.OverlapError](err); ok {
			if want != nil || over.Held != first.Slot {
				t.Errorf("%s: %v, want %v", when, err, want)
			}
		} else if want == nil || !errors.Is(err, want) {
			t.Errorf("%s: got %v", when, err)
		}
	}
	again := first
	again.Again = true
	refused("held", first, scheduler.ErrDuplicate)
	refused("held, to be published again", again, scheduler.ErrDuplicate)
	refused("the next", second, nil)
	refused("the next again", second, nil)

	held, ok, err := q.Held(t.Context(), "prod", "ca-1/cp-1")
	if err != nil || !ok || held != first.Slot {
		t.Errorf("held: %v %v %v", held, ok, err)
	}
	if _, ok, err := q.Held(t.Context(), "test", "ca-1/cp-1"); ok || err != nil {
		t.Errorf("another source's pack is held: %v %v", ok, err)
	}

	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q, _ = open(t, dir)
	refused("held, after a restart", first, scheduler.ErrDuplicate)
	refused("the next, after a restart", second, nil)

	got := make(chan scheduler.Task, 3)
	work(t, q, 1, into(got))
	receive(t, got)
	empty(t, q, "ca-1/cp-1")
	refused("settled", first, scheduler.ErrDuplicate)
	publish(t, q, again) // it was dropped
	if task := receive(t, got); task.Slot != first.Slot {
		t.Errorf("got %v", task.ID())
	}
	empty(t, q, "ca-1/cp-1")
	publish(t, q, second) // refused before, it is not taken for a duplicate now
	if task := receive(t, got); task.Slot != second.Slot {
		t.Errorf("got %v", task.ID())
	}
}
