package queue

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/scheduler"
)

// BenchmarkSlots takes 1,000 slots, as of as many packs due at once, through
// Publish, Run with 64 workers, and the answer.
func BenchmarkSlots(b *testing.B) {
	const packs = 1000
	q, _ := open(b, b.TempDir())
	settled := make(chan struct{}, packs)
	work(b, q, 64, func(context.Context, scheduler.Task) time.Duration {
		settled <- struct{}{}
		return 0
	})
	round := 0
	for b.Loop() {
		for i := range packs {
			for q.Publish(b.Context(), task(fmt.Sprint("cp-", i), round)) != nil {
				// the slot before is being settled
			}
		}
		for range packs {
			<-settled
		}
		round++
	}
	b.ReportMetric(float64(packs*b.N)/b.Elapsed().Seconds(), "slots/s")
}

// BenchmarkOpen opens and closes a queue that holds 1,000 slots.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	q, _ := open(b, dir)
	for i := range 1000 {
		publish(b, q, task(fmt.Sprint("cp-", i), 0))
	}
	q.Close()
	for b.Loop() {
		q, err := Open(b.Context(), Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		q.Close()
		b.StartTimer()
	}
}
