package queue

import (
	"context"
	"fmt"
	"github.com/prometheus/client_golang/prometheus"
	"log/slog"
	"os"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestIdle(t *testing.T) {
	q, _ := open(t, t.TempDir())
	work(t, q, 64, into(make(chan scheduler.Task, 2000)))
	sc, _ := scheduler.ParseSchedule("0 2 * * *", "Asia/Shanghai")
	var plans []scheduler.Plan
	for i := range 1000 {
		plans = append(plans, scheduler.Plan{Source: "prod", Pack: fmt.Sprint("cp-", i), Schedule: sc, Jitter: 10 * time.Minute, Timeout: time.Hour})
	}
	t0 := time.Now()
	s, err := scheduler.New(scheduler.Options{Plans: plans, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Publish: q.Publish, Held: q.Held,
		History: func(context.Context, string, string) ([]time.Time, error) { return nil, nil }, Gap: func(context.Context, scheduler.Slot, fault.Reason, string) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	go s.Run(t.Context())
	for s.Ready() != nil {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("ready", time.Since(t0))
	time.Sleep(2 * time.Second)
	var a, b syscall.Rusage
	syscall.Getrusage(0, &a)
	time.Sleep(60 * time.Second)
	syscall.Getrusage(0, &b)
	cpu := func(r syscall.Rusage) time.Duration { return time.Duration(r.Utime.Nano() + r.Stime.Nano()) }
	st, _ := os.ReadFile("/proc/self/status")
	for _, l := range strings.Split(string(st), "\n") {
		if strings.HasPrefix(l, "VmRSS") {
			fmt.Println(l)
		}
	}
	fmt.Println("cpu in 60s", cpu(b)-cpu(a))
}
