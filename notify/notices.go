package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// Entry is a channel and what it is told.
type Entry struct {
	Name     string // in logs, metrics and the file of what was told
	Channel  Channel
	On       []Kind             // which events; none = all
	Language string             // "en", "zh" or "both"; default en
	Group    time.Duration      // how long an event waits for others to go with it; default 1m
	Digest   scheduler.Schedule // when digests are due, if On has them; the zero one is never
	Zone     *time.Location     // of the times in messages; default UTC
}

// Options are what Notices need. Required fields are marked.
type Options struct {
	Entries  []Entry
	File     string // where what was told is kept; none = nowhere
	Instance string // the host's name, for messages

	// Overdue returns an event for each slot that is overdue now. Required.
	Overdue func() []Event
	// Findings returns what the last verification found, by kind, without
	// zeros. Required.
	Findings func() map[string]int
	// Digest sums up the slots that fell due in (from, to]. Required.
	Digest func(ctx context.Context, from, to time.Time) (Digest, error)
	// Health returns nil when packseal works, fault.NotReady while it starts,
	// and otherwise what is the matter. Required.
	Health func() error

	// Shared is set where other replicas have the same channels.
	Shared Shared

	Logger     *slog.Logger // required
	Registerer prometheus.Registerer
}

// Notices tell channels what happens. Its methods may be called from many
// goroutines, and never wait for a channel.
type Notices struct {
	Options
	metrics *metrics
	saving  sync.Mutex  // held while the file is written
	knows   atomic.Bool // with Shared: what was told by other replicas is known

	mu       sync.Mutex // guards what the couriers know and have waiting
	couriers []*courier
}

// New makes Notices. It sends nothing before Run.
func New(o Options) (*Notices, error) {
	if o.Overdue == nil || o.Findings == nil || o.Digest == nil || o.Health == nil || o.Logger == nil {
		return nil, errors.New("notify: Overdue, Findings, Digest, Health and Logger are required")
	}
	n := &Notices{Options: o, metrics: newMetrics(o.Registerer, o.Entries)}
	known := readTold(o.File)
	for _, e := range o.Entries {
		t := known[e.Name]
		if t.Since.IsZero() {
			now := time.Now().UTC().Truncate(time.Second)
			t = told{Since: now, Digest: now}
		}
		n.couriers = append(n.couriers, newCourier(n, e, t))
	}
	return n, nil
}

// Gap tells of a slot that ended as a gap. It may be called for any gap in the
// archive, again and again: what a channel knows is no news to it.
func (n *Notices) Gap(e Event) { n.tell(Gap, e) }

// Sealed says that a slot was sealed, which is news of a pack that was not
// well before. Like Gap, it may be called for any slot that is.
func (n *Notices) Sealed(e Event) { n.tell(Recovered, e) }

// ReloadFailed tells of a new configuration that was refused.
func (n *Notices) ReloadFailed(err error) {
	n.tell(ReloadFailed, Event{At: time.Now().UTC(), Detail: err.Error()})
}

func (n *Notices) tell(k Kind, e Event) {
	e.Kind = k
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.couriers {
		c.add(e)
	}
}

// Run tells until ctx ends. What waits then is sent if that takes no more than
// a moment; the rest will follow from the archive at the next start.
func (n *Notices) Run(ctx context.Context) error {
	n.save(ctx)
	var wg sync.WaitGroup
	for _, c := range n.couriers {
		if c.Channel.Traits().Pulse > 0 {
			wg.Go(func() { c.pulses(ctx) })
			continue
		}
		wg.Go(func() { c.news(ctx) })
		if slices.Contains(c.On, DigestDue) {
			wg.Go(func() { c.digests(ctx) })
		}
	}
	wg.Go(func() { n.watch(ctx) })
	if n.Shared != nil {
		wg.Go(func() { n.takeTurns(ctx) })
	}
	wg.Wait()
	n.save(ctx)
	return nil
}

// watchEvery is between two looks at what is overdue and what verification
// found. The first comes as long after the start: what is caught up with then
// is not worth a notice.
const watchEvery = time.Minute

// watch finds the events that nobody comes with.
func (n *Notices) watch(ctx context.Context) {
	for fault.Sleep(ctx, watchEvery) {
		n.guarded(ctx, "looking for what is overdue", func() error {
			for _, e := range n.Overdue() {
				n.tell(Overdue, e)
			}
			n.tell(Findings, Event{At: time.Now().UTC(), Counts: n.Findings()})
			return nil
		})
	}
}

// save writes down what the channels were told.
func (n *Notices) save(ctx context.Context) {
	if n.File == "" || len(n.couriers) == 0 {
		return
	}
	n.saving.Lock()
	defer n.saving.Unlock()
	channels := make(map[string]told)
	n.mu.Lock()
	for _, c := range n.couriers {
		channels[c.Name] = c.saved.copy()
	}
	n.mu.Unlock()
	if err := writeTold(n.File, channels); err != nil {
		n.Logger.WarnContext(ctx, "what was told can't be kept: a restart may tell it again", "err", err)
	}
}

// guarded calls f, and makes a panic an error: no notice is worth the daemon.
func (n *Notices) guarded(ctx context.Context, what string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			n.metrics.panics.Inc()
			n.Logger.ErrorContext(ctx, "a panic was caught in notices", "what", what, "err", v, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "%s: panic: %v", what, v)
		}
	}()
	return f()
}

// Test sends a marked message to a channel, in one try.
func Test(ctx context.Context, e Entry, instance string) error {
	s := styleOf(e, instance)
	if err := e.Channel.Send(ctx, s.test(e.Name)); err != nil {
		return fmt.Errorf("testing %s: %w", e.Name, err)
	}
	return nil
}

// styleOf is how a channel's messages are written.
func styleOf(e Entry, instance string) style {
	return style{words: wordsOf(e.Language), zone: cmp.Or(e.Zone, time.UTC), instance: instance}
}
