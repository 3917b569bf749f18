package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"packseal.example/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var due = time.Date(2026, 3, 4, 2, 0, 0, 0, time.UTC)

// task is the pack's slot that many hours after due.
func task(pack string, hours int) scheduler.Task {
	slot := scheduler.Slot{Source: "prod", Pack: pack, Due: due.Add(time.Duration(hours) * time.Hour)}
	return scheduler.Task{Slot: slot, Deadline: slot.Due.Add(2 * time.Hour)}
}

// open opens the queue in dir and returns it with its registry. It is closed
// when the test ends, if it was not before.
func open(t testing.TB, dir string) (*JetStream, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	q, err := Open(t.Context(), Options{Dir: dir, Sources: []string{"prod", "test"}, Logger: slog.New(slog.DiscardHandler), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q, reg
}

// publish publishes tasks, each of which must be taken.
func publish(t testing.TB, q Queue, tasks ...scheduler.Task) {
	t.Helper()
	for _, task := range tasks {
		if err := q.Publish(t.Context(), task); err != nil {
			t.Fatalf("%s: %v", task.ID(), err)
		}
	}
}

// work runs Work of source "prod" and returns what ends it and waits.
func work(t testing.TB, q Queue, n int, handle Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Work(ctx, "prod", n, handle) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// receive returns the next value, and fails when none comes.
func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// into is a handler that sends what it is handed to ch and settles it.
func into(ch chan<- scheduler.Task) Handler {
	return func(_ context.Context, t scheduler.Task) time.Duration {
		ch <- t
		return 0
	}
}

// empty waits until the queue holds nothing of the packs.
func empty(t testing.TB, q Queue, packs ...string) {
	t.Helper()
	for _, pack := range packs {
		for {
			_, held, err := q.Held(t.Context(), "prod", pack)
			if err != nil {
				t.Fatal(err)
			}
			if !held {
				break
			}
		}
	}
}

func TestEachSlotOnce(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	const packs = 200
	got := make(chan scheduler.Task, 2*packs)
	for range 2 { // two pullers, as of two replicas
		work(t, q, 8, into(got))
	}
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
	refused("held", first, scheduler.ErrDuplicate)
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

	got := make(chan scheduler.Task, 2)
	work(t, q, 1, into(got))
	receive(t, got)
	empty(t, q, "ca-1/cp-1")
	refused("settled", first, scheduler.ErrDuplicate)
	publish(t, q, second) // refused before, it is not taken for a duplicate now
	if task := receive(t, got); task.Slot != second.Slot {
		t.Errorf("got %v", task.ID())
	}
}

func TestPanicSilencesNobody(t *testing.T) {
	t.Parallel()
	q, reg := open(t, t.TempDir())
	got := make(chan scheduler.Task, 3)
	work(t, q, 1, func(_ context.Context, t scheduler.Task) time.Duration {
		if t.Pack == "cp-bad" && t.Delivered == 1 {
			panic("on purpose")
		}
		got <- t
		return 0
	})
	publish(t, q, task("cp-bad", 0), task("cp-good", 0))
	if first := receive(t, got); first.Pack != "cp-good" {
		t.Errorf("%s was first", first.ID())
	}
	if second := receive(t, got); second.Pack != "cp-bad" || second.Delivered != 2 {
		t.Errorf("%+v was second", second)
	}
	if n := value(t, reg, "packseal_queue_panics_total", "prod"); n != 1 {
		t.Errorf("counted %v panics, want 1", n)
	}
}

func TestShutdownReturnsWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, _ := open(t, dir)
	began := make(chan scheduler.Task, 8)
	untilEnd := func(ctx context.Context, t scheduler.Task) time.Duration {
		began <- t
		<-ctx.Done()
		return time.Hour // not waited for: the shutdown is no failure of the slot
	}
	stop := work(t, q, 2, untilEnd)
	publish(t, q, task("cp-1", 0), task("cp-2", 0), task("cp-3", 0))
	receive(t, began)
	receive(t, began)
	stop()

	start := time.Now()
	got := make(chan scheduler.Task, 3)
	stop = work(t, q, 2, into(got))
	for range 3 {
		receive(t, got)
	}
	if waited := time.Since(start); waited > ackWait/2 {
		t.Errorf("came back after %v", waited)
	}
	stop()

	// The same when the process ends right after.
	stop = work(t, q, 2, untilEnd)
	publish(t, q, task("cp-1", 24))
	receive(t, began)
	stop()
	q.Close()
	q, _ = open(t, dir)
	start = time.Now()
	work(t, q, 1, into(got))
	if task := receive(t, got); task.Due != due.Add(24*time.Hour) || task.Delivered != 2 {
		t.Errorf("got %+v", task)
	}
	if waited := time.Since(start); waited > ackWait/2 {
		t.Errorf("came back after %v", waited)
	}
}

func TestBound(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	const n, packs = 4, 40
	var mu sync.Mutex
	var now, most int
	got := make(chan scheduler.Task, packs)
	for i := range packs {
		publish(t, q, task(fmt.Sprint("cp-", i), 0))
	}
	full := make(chan struct{})
	work(t, q, n, func(_ context.Context, t scheduler.Task) time.Duration {
		mu.Lock()
		now++
		most = max(most, now)
		if now == n && most == n {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		mu.Unlock()
		<-full // all n are at work at once before the first is done
		mu.Lock()
		now--
		mu.Unlock()
		got <- t
		return 0
	})
	for range packs {
		receive(t, got)
	}
	if most != n {
		t.Errorf("%d at once, want %d", most, n)
	}
}

func TestNoWorkers(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	if err := q.Work(t.Context(), "prod", 0, into(nil)); err == nil {
		t.Error("no error")
	}
}
