package queue

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/secret"
	"packseal.example/scheduler"
	"packseal.example/test/lab"
)

// newest runs the module's own server as one outside; change may be nil. It
// returns its address and what ends it.
func newest(t testing.TB, o server.Options) (address string, stop func()) {
	t.Helper()
	if o.Host = "127.0.0.1"; o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	o.JetStream, o.NoSigs = true, true
	if o.StoreDir == "" {
		o.StoreDir = t.TempDir()
	}
	s, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not get ready")
	}
	stop = func() { s.Shutdown(); s.WaitForShutdown() }
	t.Cleanup(stop)
	return s.ClientURL(), stop
}

// TestConsumersAreLimited: a source that the servers have no consumer for is told of,
// and the others are worked on.
func TestConsumersAreLimited(t *testing.T) {
	t.Parallel()
	address, _ := newest(t, server.Options{JetStreamLimits: server.JSLimitOpts{DefaultMaxConsumers: 2}})
	var log lab.Buffer
	q, err := Open(t.Context(), Options{Dir: t.TempDir(), NATS: &NATS{Servers: []string{address}, Replicas: 1}, Logger: slog.New(slog.NewTextHandler(&log, nil)), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	if err := q.SetSources(t.Context(), map[string]int{"prod": 1, "test": 1, "third": 1}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	got, done := make(chan scheduler.Task, 3), make(chan error, 1)
	go func() { done <- q.Run(ctx, into(got)) }()
	for _, source := range []string{"prod", "test", "third"} {
		task := task("cp-1", 0)
		task.Source = source
		publish(t, q, task)
	}
	receive(t, got)
	receive(t, got)
	lab.Eventually(t, "the third source is told of", func() bool { return strings.Count(log.String(), "source not worked on") == 1 })
	cancel()
	if err := receive(t, done); err != nil || len(got) > 0 {
		t.Errorf("%v, and a third slot was worked on: %v", err, len(got) > 0)
	}
}

// packaged runs the nats-server of the system's packages.
func packaged(t testing.TB) (address string) {
	t.Helper()
	return packagedOn(t, t.TempDir(), lab.Addresses(t, 1)[0])
}

// packagedOn runs it with its store in dir, at a free address.
func packagedOn(t testing.TB, dir, address string) string {
	t.Helper()
	path, err := exec.LookPath("nats-server")
	if err != nil {
		if os.Getenv("PACKSEAL_CI") == "1" {
			t.Fatal("no nats-server: apt-get install nats-server")
		}
		t.Skip("no nats-server: apt-get install nats-server")
	}
	host, port, _ := strings.Cut(address, ":")
	c := exec.Command(path, "-js", "-sd", dir, "-a", host, "-p", port)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		if t.Failed() {
			t.Logf("it said:\n%s", said.String())
		}
	})
	return "nats://" + address
}

// openNATS opens the queue of one replica on NATS.
func openNATS(t testing.TB, n NATS) *JetStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	q, err := Open(ctx, Options{
		Dir: t.TempDir(), NATS: &n,
		Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	setSources(t, q, 1)
	return q
}

// journey has two replicas publish and work on the same slots, and one of
// them come back, and the next slot of a pack at work refused.
func journey(t *testing.T, n NATS) {
	t.Helper()
	a, b := openNATS(t, n), openNATS(t, n)
	got := make(chan scheduler.Task, 16)
	handle := func(_ context.Context, task scheduler.Task) time.Duration {
		got <- task
		if task.Pack == "cp-again" && task.Delivered == 1 {
			return time.Second
		}
		return 0
	}
	publish(t, a, task("cp-1", 0), task("cp-2", 0), task("ca.x/cp-3", 0), task("cp-again", 0))
	for _, pack := range []string{"cp-1", "cp-2", "ca.x/cp-3", "cp-again"} {
		if err := b.Publish(t.Context(), task(pack, 0)); !errors.Is(err, scheduler.ErrDuplicate) {
			t.Errorf("the other replica's %s: %v", pack, err)
		}
	}
	_, overlaps := errors.AsType[*scheduler.OverlapError](b.Publish(t.Context(), task("cp-1", 24)))
	if !overlaps {
		t.Error("the next slot of a pack at work is taken")
	}
	work(t, a, 2, handle)
	work(t, b, 2, handle)
	seen := make(map[string]int)
	for range 5 {
		seen[receive(t, got).Pack]++
	}
	if seen["cp-again"] != 2 || len(seen) != 4 {
		t.Errorf("seen: %v", seen)
	}
	empty(t, a, "cp-1", "cp-2", "ca.x/cp-3", "cp-again")
	if err := a.Publish(t.Context(), task("cp-1", 0)); !errors.Is(err, scheduler.ErrDuplicate) {
		t.Errorf("settled, and published again: %v", err)
	}
	if err := b.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if len(got) > 0 {
		t.Errorf("%+v was handed out once more", <-got)
	}
}

// paused has a pack paused by one replica, and resumed by the other, while both
// work; a slot that waits too long is settled once and gone.
func paused(t *testing.T, n NATS) {
	t.Helper()
	n.Prefix = "another-one"
	a, b := openNATS(t, n), openNATS(t, n)
	p := pause(t, a, "cp-1")
	lab.Eventually(t, "the other replica knows", func() bool { return len(b.Pauses()) == 1 })
	got := make(chan scheduler.Task, 16)
	work(t, a, 2, into(got))
	work(t, b, 2, into(got))
	publish(t, b, young("cp-1", time.Hour), young("cp-2", time.Hour))
	if task := receive(t, got); task.Pack != "cp-2" {
		t.Errorf("%s was begun", task)
	}
	empty(t, a, "cp-2")
	overlap, _ := errors.AsType[*scheduler.OverlapError](b.Publish(t.Context(), task("cp-1", 24)))
	if overlap == nil || overlap.Paused != p.String() {
		t.Errorf("the next slot of the paused pack: %+v", overlap)
	}
	lab.Eventually(t, "one of them holds it, and the other knows", func() bool {
		_, slots := list(t, b, Selection{})
		_, same := list(t, a, Selection{})
		s := slots["cp-1"]
		return s.State == Paused && s.Member != "" && s.Member == same["cp-1"].Member && *s.Paused == p
	})
	began := time.Now()
	resume(t, b, "cp-1")
	if task := receive(t, got); task.Pack != "cp-1" || task.Paused != "" {
		t.Errorf("on resume came %+v", task)
	}
	if waited := time.Since(began); waited > deferDelay/3 {
		t.Errorf("it went on after %s", waited)
	}
	empty(t, a, "cp-1")
	pause(t, b, "")
	lab.Eventually(t, "the other replica knows", func() bool { _, known := a.Paused("prod", "cp-3"); return known })
	publish(t, a, young("cp-3", time.Second))
	if task := receive(t, got); task.Pack != "cp-3" || !strings.Contains(task.Paused, "source prod has been paused") {
		t.Errorf("past its deadline came %+v", task)
	}
	empty(t, b, "cp-3")
}

func TestPackagedNATS(t *testing.T) {
	t.Parallel()
	n := NATS{Servers: []string{packaged(t)}}
	journey(t, n)
	paused(t, n)
}

func TestNewestNATS(t *testing.T) {
	t.Parallel()
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		address, _ := newest(t, server.Options{})
		journey(t, NATS{Servers: []string{address}, MaxBytes: 1 << 20})
		journey(t, NATS{Servers: []string{address}, Prefix: "other-one"}) // beside it
	})
	t.Run("domain", func(t *testing.T) {
		t.Parallel()
		address, _ := newest(t, server.Options{JetStreamDomain: "hub"})
		n := NATS{Servers: []string{address}, Domain: "hub", Replicas: 1}
		journey(t, n)
		paused(t, n)
	})
	t.Run("nkey", func(t *testing.T) {
		t.Parallel()
		user, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		public, _ := user.PublicKey()
		seed, _ := user.Seed()
		address, _ := newest(t, server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}})
		journey(t, NATS{Servers: []string{address}, NkeyFile: secret.File(file(t, "user.nk", string(seed)))})
	})
	t.Run("certificates", func(t *testing.T) {
		t.Parallel()
		ours := certificates(t)
		address, _ := newest(t, server.Options{TLS: true, TLSVerify: true, TLSTimeout: 5, TLSConfig: asked(t, ours)})
		journey(t, NATS{Servers: []string{address}, TLS: ours})
	})
}

// TestNATSComesLater opens the queue before there is a server, and takes the
// server away and brings it back while slots are at work.
func TestNATSComesLater(t *testing.T) {
	t.Parallel()
	o := server.Options{Port: server.RANDOM_PORT, StoreDir: t.TempDir()}
	address, stop := newest(t, o)
	stop()
	o.Port = portOf(t, address)
	ctx, cancel := context.WithCancel(t.Context())
	early := Options{Dir: t.TempDir(), NATS: &NATS{Servers: []string{address}}, Timing: Timing{WaitReport: 100 * time.Millisecond}}
	early.Logger, early.Registerer = waits(cancel)
	if q, err := Open(ctx, early); err == nil || !errors.Is(err, context.Canceled) {
		t.Errorf("without a server: %v", err)
		q.Close()
	}

	_, stop = newest(t, o)
	q := openNATS(t, *early.NATS)
	began, got := make(chan scheduler.Task, 1), make(chan scheduler.Task, 2)
	restarted := make(chan struct{})
	work(t, q, 2, func(ctx context.Context, task scheduler.Task) time.Duration {
		if task.Pack == "cp-1" {
			began <- task
			<-restarted
		}
		got <- task
		return 0
	})
	publish(t, q, task("cp-1", 0))
	receive(t, began)
	stop()
	if err := q.Ready(t.Context()); err == nil {
		t.Error("ready without a server")
	}
	newest(t, o)
	lab.Eventually(t, "the connection is there again", func() bool { return q.Ready(t.Context()) == nil })
	close(restarted)
	receive(t, got)
	persist(t.Context(), t, q, task("cp-2", 0))
	if task := receive(t, got); task.Pack != "cp-2" {
		t.Errorf("got %+v", task)
	}
	empty(t, q, "cp-1", "cp-2")
}

// TestWrongCredentials waits while the servers refuse us, says why without the
// secret, and works once they let us in.
func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	user, _ := nkeys.CreateUser()
	other, _ := nkeys.CreateUser()
	public, _ := user.PublicKey()
	seed, _ := other.Seed()
	address, _ := newest(t, server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}})
	var said bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	q, err := Open(ctx, Options{
		Dir: t.TempDir(), NATS: &NATS{Servers: []string{address}, NkeyFile: secret.File(file(t, "user.nk", string(seed)))},
		Logger: slog.New(slog.NewTextHandler(&said, nil)), Registerer: prometheus.NewRegistry(),
		Timing: Timing{WaitReport: 3 * time.Second},
	})
	if err == nil {
		t.Error("it is let in")
		q.Close()
	}
	if text := said.String(); !strings.Contains(strings.ToLower(text), strings.ToLower(nats.ErrAuthorization.Error()[6:])) || strings.Contains(text, string(seed)) {
		t.Errorf("it said:\n%s", text)
	}
	if _, err := Open(t.Context(), Options{
		Dir: t.TempDir(), NATS: &NATS{Servers: []string{address}, NkeyFile: secret.File(filepath.Join(t.TempDir(), "none"))},
		Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	}); err == nil {
		t.Error("no error without the file")
	}
}
