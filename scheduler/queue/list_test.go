package queue

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/scheduler"
	"packseal.example/scheduler/replica"
	"packseal.example/test/lab"
)

// TestList: what is at work, waits for another try and waits for a worker, in
// that order, with what is known of each.
func TestList(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	q.inflight.trouble = func(source, pack string) string {
		return source + "/" + pack + " had " + strings.Repeat("bad luck ", 100)
	}
	got, finish := make(chan scheduler.Task, 8), make(chan bool)
	defer close(finish)
	work(t, q, 1, func(_ context.Context, t scheduler.Task) time.Duration {
		got <- t
		if t.Pack == "cp-trouble" {
			return time.Hour
		}
		<-finish
		return 0
	})
	publish(t, q, young("cp-trouble", time.Hour))
	receive(t, got)
	publish(t, q, young("cp-busy", 2*time.Hour))
	receive(t, got)
	publish(t, q, young("cp-a", time.Hour), young("ca-1/cp.b", time.Hour))
	states(t, q, map[string]State{"cp-busy": Working, "cp-trouble": Retrying, "cp-a": Waiting, "ca-1/cp.b": Waiting})

	l, slots := list(t, q, Selection{})
	if len(l.Members) != 1 || l.Members[0] != (replica.Member{Name: q.group.Name(), Self: true, Answers: true}) || len(l.Pauses) > 0 {
		t.Errorf("members %v, pauses %v", l.Members, l.Pauses)
	}
	now := time.Now()
	soon := func(at time.Time, after time.Duration) bool { return now.Add(after).Sub(at).Abs() < time.Minute }
	if s := slots["cp-busy"]; s.Member != q.group.Name() || s.Delivered != 1 || !soon(s.Since, 0) || !soon(s.Deadline, 2*time.Hour) || !soon(s.Published, 0) || s.Trouble != "" || !s.Due.Equal(due) {
		t.Errorf("at work: %+v", s)
	}
	if s := slots["cp-trouble"]; s.Member != q.group.Name() || s.Delivered != 1 || !soon(s.NextTry, time.Hour) || !s.Since.IsZero() || !strings.HasPrefix(s.Trouble, "prod/cp-trouble had bad luck") || len(s.Trouble) > maxTrouble+3 {
		t.Errorf("to be tried again: %+v", s)
	}
	if s := slots["cp-a"]; s.Member != "" || s.Delivered != 0 || s.Trouble != "" || s.Paused != nil {
		t.Errorf("waiting: %+v", s)
	}

	for name, c := range map[string]struct {
		sel  Selection
		want string
	}{
		"all":         {Selection{}, "[prod/cp-busy prod/cp-trouble prod/ca-1/cp.b prod/cp-a] 4"},
		"some":        {Selection{Limit: 3}, "[prod/cp-busy prod/cp-trouble prod/ca-1/cp.b] 4"},
		"of a source": {Selection{Source: "test"}, "[] 0"},
		"of packs":    {Selection{Packs: []evidence.Slot{{Source: "prod", Pack: "cp-a"}, {Source: "test", Pack: "cp-busy"}}}, "[prod/cp-a] 1"},
	} {
		l, err := q.List(t.Context(), c.sel)
		if err != nil {
			t.Fatal(err)
		}
		names, n := []string{}, 0
		for s, err := range l.Slots {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, s.Source+"/"+s.Pack)
		}
		for _, count := range l.Counts {
			n += count
		}
		if got := fmt.Sprint(names, " ", n); got != c.want {
			t.Errorf("%s: listed are %s, want %s", name, got, c.want)
		}
	}
}

// TestListSpread: each member knows what the others have in their hands, and
// who is gone.
func TestListSpread(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, nil)
	r.start(t, 0, 1, 2)
	finish := make(chan bool)
	defer close(finish)
	var at sync.Map // pack → the replica at work on it
	for _, q := range r.queues {
		work(t, q, 3, func(ctx context.Context, task scheduler.Task) time.Duration {
			at.Store(task.Pack, q.group.Name())
			select {
			case <-finish:
			case <-ctx.Done():
			}
			return 0
		})
	}
	want := make(map[string]State)
	for i := range 3 {
		pack := fmt.Sprint("cp-", i)
		publish(t, r.queues[0], young(pack, time.Hour))
		want[pack] = Working
	}
	for _, q := range r.queues {
		states(t, q, want)
		l, slots := list(t, q, Selection{})
		for pack, s := range slots {
			if who, _ := at.Load(pack); s.Member != who {
				t.Errorf("%s is at work at %v, and %s is said to be", pack, who, s.Member)
			}
		}
		if len(l.Members) != 3 {
			t.Errorf("members are %v", l.Members)
		}
		for _, m := range l.Members {
			if !m.Answers {
				t.Errorf("%s is said to be silent", m.Name)
			}
		}
	}
	gone := r.queues[2].group.Name()
	r.queues[2].stream.conn.Close() // it works on, but nobody hears of it
	began := time.Now()
	l, _ := list(t, r.queues[0], Selection{})
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %s to hear that one is gone", took)
	}
	for _, m := range l.Members {
		if m.Answers == (m.Name == gone) || m.Answers != m.Heard.IsZero() {
			t.Errorf("it is said of %+v, and %s is gone", m, gone)
		}
	}
}

// TestAnswersInParts: what a replica knows of more slots than fit into a
// message comes in several, and the newest word of a slot counts.
func TestAnswersInParts(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, nil)
	r.start(t, 0, 1, 2)
	const packs = 522 // more than two messages hold
	for i := range packs {
		slot := young(fmt.Sprint("cp-", i), time.Hour)
		for n, q := range r.queues {
			slot.Delivered = n + 1
			q.inflight.begin(slot)(time.Hour)
		}
	}
	r.queues[1].inflight.begin(young("cp-7", time.Hour))
	lab.Eventually(t, "all replicas answer in full", func() bool {
		claims, members := gatherClaims(t.Context(), r.queues[0].group, defaultPrefix)
		newest := len(claims) == packs && len(members) == 3
		for _, c := range claims {
			if c.Pack == "cp-7" {
				newest = newest && c.Working && c.Member == r.queues[1].group.Name()
			} else {
				newest = newest && c.Member == r.queues[2].group.Name() && c.Delivered == 3
			}
		}
		return newest
	})
}

// TestInflightForgets what another replica has got and settled long ago.
func TestInflightForgets(t *testing.T) {
	t.Parallel()
	f := newInflight(defaultPrefix, nil)
	f.begin(young("cp-1", time.Hour))(time.Minute)
	f.begin(young("cp-2", time.Hour))(-staleAfter - time.Minute)
	f.begin(young("cp-3", time.Hour))(time.Minute)
	f.entries[prefix(defaultPrefix).subject("prod", "cp-3")].again = time.Now().Add(-staleAfter - time.Minute)
	if claims := f.claims(); len(claims) != 1 || !strings.Contains(string(claims[0]), `"pack":"cp-1"`) || len(f.entries) != 1 {
		t.Errorf("kept are %s", claims)
	}
}

// BenchmarkList lists 100,000 slots, all of them and the first 100.
func BenchmarkList(b *testing.B) {
	q, _ := open(b, b.TempDir())
	for i := range 100_000 {
		publish(b, q, young(fmt.Sprintf("cp-%022d", i), time.Hour))
	}
	for name, limit := range map[string]int{"all": 0, "first": 100} {
		b.Run(name, func(b *testing.B) {
			var m runtime.MemStats
			var most uint64
			for b.Loop() {
				l, err := q.List(b.Context(), Selection{Limit: limit})
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for _, err := range l.Slots {
					if err != nil {
						b.Fatal(err)
					}
					if n++; n%10_000 == 0 {
						runtime.ReadMemStats(&m)
						most = max(most, m.HeapInuse)
					}
				}
				if l.Counts[Waiting] != 100_000 {
					b.Fatalf("listed are %v", l.Counts)
				}
			}
			b.ReportMetric(float64(most)/(1<<20), "MiB-heap")
		})
	}
}
