package queue

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"packseal.example/scheduler"
)

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
	if task := receive(t, got); task.Due != due.Add(24*time.Hour) {
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

// TestFetchedReleases: of tasks whose reports are not here yet there is
// one at a time; a report on its way into a slow sink holds up nobody.
func TestFetchedReleases(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	fetched, sealed := make(chan bool), make(chan bool)
	began := make(chan scheduler.Task, 3)
	work(t, q, 1, func(_ context.Context, t scheduler.Task) time.Duration {
		began <- t
		<-fetched
		t.Fetched()
		t.Fetched() // once is enough
		<-sealed
		return 0
	})
	publish(t, q, task("cp-1", 0), task("cp-2", 0), task("cp-3", 0))
	for range 2 {
		receive(t, began)
		if len(began) > 0 {
			t.Error("a second task began before the first one's report was here")
		}
		fetched <- true
	}
	receive(t, began) // two are being sealed by now, and no more than one is fetched
	fetched <- true
	close(sealed)
	empty(t, q, "cp-1", "cp-2", "cp-3")
}
