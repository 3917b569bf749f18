package notify

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
)

// chat is a channel that keeps what it is sent, or fails on demand.
type chat struct {
	traits Traits

	mu       sync.Mutex
	fail     func() error // nil = it works
	messages []Message
	times    []time.Time
	tries    int
}

// set makes the channel fail from now on, and returns how often it was tried.
func (c *chat) set(fail func() error) (tries int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = fail
	return c.tries
}

// sent returns what it was sent.
func (c *chat) sent() []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.messages)
}

// down fails like a channel that is unreachable.
func down() error { return fault.New(fault.Unavailable, "down") }

func (c *chat) Traits() Traits { return c.traits }

func (c *chat) Send(ctx context.Context, m Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tries++
	if c.fail != nil {
		if err := c.fail(); err != nil {
			return err
		}
	}
	c.messages, c.times = append(c.messages, m), append(c.times, time.Now())
	return ctx.Err()
}

// fixture is what Notices ask for in a test.
type fixture struct {
	file     string
	registry *prometheus.Registry
	replicas Replicas // nil = alone

	mu       sync.Mutex
	overdue  []Event
	problems map[string]int
	digests  []string
	health   error
}

func newFixture(t *testing.T) *fixture {
	return &fixture{file: filepath.Join(t.TempDir(), "notify.json"), registry: prometheus.NewRegistry()}
}

// set changes the lab.
func (w *fixture) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// start runs Notices until stop is called.
func (w *fixture) start(t *testing.T, entries ...Entry) (n *Notices, stop func()) {
	t.Helper()
	w.registry = prometheus.NewRegistry()
	n, err := New(Options{
		File: w.file, Instance: "host-1", Logger: slog.New(slog.DiscardHandler), Registerer: w.registry, Replicas: w.replicas,
		Overdue:  func() (events []Event) { w.set(func() { events = w.overdue }); return },
		Problems: func() (counts map[string]int) { w.set(func() { counts = w.problems }); return },
		Health:   func() (err error) { w.set(func() { err = w.health }); return },
		Digest: func(_ context.Context, _ Match, from, to time.Time) (Digest, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.digests = append(w.digests, from.Format("02T15:04")+" "+to.Format("02T15:04"))
			return Digest{From: from, To: to}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Update(entries)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	synctest.Wait()
	return n, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// entry is the channel, which is sent everything but digests.
func (c *chat) entry() Entry {
	if c.traits.PerMinute == 0 { // not while it is in use
		c.traits.PerMinute = 60
	}
	return Entry{Name: "chat", Channel: c, On: slices.DeleteFunc(Kinds(), func(k Kind) bool { return k == DigestDue })}
}

// now is an event of pack p that was recorded now.
func now(p string) Event {
	e := Event{Source: "prod", Pack: p, Due: time.Now().UTC().Truncate(time.Second), At: time.Now().UTC(), Reason: "missed"}
	return e
}

// said returns the titles of the messages.
func (c *chat) said() (titles []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.messages {
		titles = append(titles, strings.TrimPrefix(m.Title, "packseal: "))
	}
	return titles
}

func (c *chat) want(t *testing.T, titles ...string) {
	t.Helper()
	if got := c.said(); !slices.Equal(got, titles) {
		t.Errorf("said %q, want %q", got, titles)
	}
}

// rest lets time pass until all goroutines wait.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}
