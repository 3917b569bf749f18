package queue

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// value returns one series of the registry.
func value(t testing.TB, reg *prometheus.Registry, name, source string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == source {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no %s of %s", name, source)
	return 0
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	q, reg := open(t, t.TempDir())
	for _, name := range []string{"packseal_queue_pending", "packseal_queue_redelivered_total", "packseal_queue_panics_total"} {
		for _, source := range []string{"prod", "test"} {
			if v := value(t, reg, name, source); v != 0 {
				t.Errorf("%s of %s is %v at the start", name, source, v)
			}
		}
	}
	publish(t, q, task("cp-1", 0), task("cp-2", 0))
	if v := value(t, reg, "packseal_queue_pending", "prod"); v != 2 {
		t.Errorf("%v pending, want 2", v)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
	q.Close()
	if n, err := testutil.GatherAndCount(reg, "packseal_queue_pending"); n != 0 || err != nil {
		t.Errorf("a closed queue says that %d are pending: %v", n, err)
	}
}

func TestOddNames(t *testing.T) {
	t.Parallel()
	q, _ := open(t, t.TempDir())
	names := []string{"a", "A", "a.b", "a/b", "a b", "a*", ">", "a=b", "a=2eb", "=", "包", "\x00\x7f", "\xff", "-_", strings.Repeat("x", 100)}
	limits := make(map[string]int)
	for _, source := range names {
		for _, pack := range names {
			slot := evidence.Slot{Source: source, Pack: pack, Due: due}
			if err := q.Publish(t.Context(), scheduler.Task{Slot: slot}); err != nil {
				t.Fatalf("%q: %v", slot, err)
			}
		}
		if utf8.ValidString(source) { // as those in a configuration are
			limits[source] = 1
		}
	}
	if err := q.SetSources(t.Context(), limits); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	seen := make(map[string]bool)
	err := q.Run(ctx, func(_ context.Context, task scheduler.Task) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		if seen[task.ID()] = true; len(seen) == len(limits)*len(names) {
			cancel()
		}
		return 0
	})
	if err != nil {
		t.Error(err)
	}
}

// TestTornWork: what the server kept of who has which task is torn, as a loss of
// power leaves it. The tasks are handed out all the same.
func TestTornWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, _ := open(t, dir)
	publish(t, q, task("cp-1", 0))
	began := make(chan scheduler.Task, 1)
	stop := work(t, q, 1, func(ctx context.Context, t scheduler.Task) time.Duration {
		began <- t
		<-ctx.Done()
		return time.Hour
	})
	receive(t, began)
	stop()
	q.Close()
	torn := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, "/obs/") {
			torn++
			err = os.WriteFile(path, []byte("{"), 0o600)
		}
		return err
	})
	if err != nil || torn == 0 {
		t.Fatalf("%d files torn, %v", torn, err)
	}
	q, _ = open(t, dir)
	got := make(chan scheduler.Task, 1)
	work(t, q, 1, into(got))
	if task := receive(t, got); task.Pack != "cp-1" {
		t.Errorf("got %+v", task)
	}
}

// TestCrash loses the process in mid-work: what was not settled is there
// after the restart, and is handed out at once.
func TestCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, _ := open(t, dir)
	publish(t, q, task("cp-1", 0), task("cp-2", 0))
	began, crashed := make(chan scheduler.Task, 2), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- q.Run(ctx, func(_ context.Context, t scheduler.Task) time.Duration {
			began <- t
			<-crashed
			return 0
		})
	}()
	receive(t, began)
	q.Close() // under the worker's feet, so that its answer goes nowhere
	close(crashed)
	cancel()
	<-done

	q, reg := open(t, dir)
	if v := value(t, reg, "packseal_queue_pending", "prod"); v != 2 {
		t.Errorf("%v pending after the crash, want 2", v)
	}
	for _, pack := range []string{"cp-1", "cp-2"} {
		if held, ok, err := q.Held(t.Context(), "prod", pack); !ok || err != nil || held.Due != due {
			t.Errorf("%s is not held: %v %v", pack, held, err)
		}
	}
	got, start := make(chan scheduler.Task, 2), time.Now()
	work(t, q, 1, into(got))
	for _, pack := range []string{"cp-1", "cp-2"} {
		if task := receive(t, got); task.Pack != pack {
			t.Errorf("got %+v, want %s", task, pack)
		}
	}
	if waited := time.Since(start); waited > ackWait/2 {
		t.Errorf("came back after %v", waited)
	}
}

func TestLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q, _ := open(t, dir)
	o := Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()}
	if _, err := Open(t.Context(), o); fault.Of(err) != fault.Busy || fault.Hint(err) == "" {
		t.Errorf("got %v, want busy with a hint", err)
	}
	publish(t, q, task("cp-1", 0)) // the first one works on
	q.Close()
	second, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

func TestOptionsRequired(t *testing.T) {
	t.Parallel()
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	for _, o := range []Options{
		{Logger: log, Registerer: reg}, {Dir: t.TempDir(), Registerer: reg}, {Dir: t.TempDir(), Logger: log},
		{Dir: filepath.Join(os.DevNull, "queue"), Logger: log, Registerer: reg},
	} {
		if _, err := Open(t.Context(), o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

func TestDamagedStore(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"every file zeroed":  func(path string) error { return os.WriteFile(path, make([]byte, 512), 0o600) },
		"every file emptied": func(path string) error { return os.Truncate(path, 0) },
		"every file gone":    os.Remove,
		"every file text":    func(path string) error { return os.WriteFile(path, []byte("not what it was\n"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			q, _ := open(t, dir)
			publish(t, q, task("cp-1", 0))
			stop := work(t, q, 1, func(context.Context, scheduler.Task) time.Duration { return time.Hour })
			stop()
			q.Close()
			err := filepath.WalkDir(filepath.Join(dir, "jetstream"), func(path string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				return damage(path)
			})
			if err != nil {
				t.Fatal(err)
			}
			worksAnew(t, dir)
		})
	}
	t.Run("a file in its place", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "jetstream"), []byte("not a folder"), 0o600); err != nil {
			t.Fatal(err)
		}
		worksAnew(t, dir)
		if _, err := os.Stat(filepath.Join(dir, "jetstream.damaged")); err != nil {
			t.Errorf("it is not put aside: %v", err)
		}
	})
}

// worksAnew holds that a queue opens in dir and does its work.
func worksAnew(t *testing.T, dir string) {
	t.Helper()
	q, _ := open(t, dir)
	got := make(chan scheduler.Task, 4)
	work(t, q, 1, into(got))
	publish(t, q, task("cp-2", 0))
	for receive(t, got).Pack != "cp-2" {
	}
	empty(t, q, "cp-2")
}
