package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/guard"
	"packseal.example/scheduler/cron"
)

// Entry is a channel and what it is sent.
type Entry struct {
	Name     string // in logs, metrics and the notification log
	Channel  Channel
	On       []Kind         // kinds of events; none = all that the channel is for, see [Entry.kinds]
	Match    Match          // the packs whose events are sent; default all
	Language string         // "en", "zh" or "both"; default en
	Group    time.Duration  // how long an event waits for others to go out with it; default 1m
	Digest   cron.Schedule  // when digests are due, if On has them; the zero one is never
	Zone     *time.Location // of the times in messages; default: slots' in their pack's zone with UTC beside, others in UTC

	Page string // the address of packseal's page, for links in messages; default: there are none

	// Spec is what the entry was made from. Entries with deeply equal ones are the
	// same to [Notices.Update]; nil is never the same.
	Spec any
}

// kinds returns the kinds of events that the channel is sent. A channel for some
// packs gets what concerns packseal as a whole only when asked for, and one that
// raises incidents likewise digests and what is no trouble.
func (e Entry) kinds() []Kind {
	if len(e.On) > 0 {
		return e.On
	}
	return slices.DeleteFunc(Kinds(), func(k Kind) bool {
		return (k == DigestDue || k == NewContainer || k.listed()) && e.Channel.Traits().Incidents || k.ofAll() && !e.Match.all()
	})
}

// Match selects packs. What is empty selects all.
type Match struct {
	Sources []string          // each with those of its member accounts
	Packs   []string          // keys, or <source>/<key>
	Labels  map[string]string // which the pack must have, each with that value
}

// all reports whether every pack is selected.
func (m Match) all() bool { return len(m.Sources)+len(m.Packs)+len(m.Labels) == 0 }

// Pack reports whether a pack is selected.
func (m Match) Pack(source, key string, labels map[string]string) bool {
	for name, value := range m.Labels {
		if labels[name] != value {
			return false
		}
	}
	return (len(m.Sources) == 0 || slices.ContainsFunc(m.Sources, func(s string) bool { return evidence.Within(source, s) })) &&
		(len(m.Packs) == 0 || slices.Contains(m.Packs, key) || slices.Contains(m.Packs, source+"/"+key))
}

// Options are what Notices need. Required fields are marked.
type Options struct {
	File     string // the notification log; none = it is not kept
	Instance string // the host's name, for messages

	// Overdue returns an event for each slot that is overdue now. Required.
	Overdue func() []Event
	// Problems returns what the last verification found, and what is wrong with the
	// ledger, by kind, without zeros.
	// Required.
	Problems func() map[string]int
	// Digest summarizes the slots of the selected packs that were due in (from, to].
	// Required.
	Digest func(ctx context.Context, of Match, from, to time.Time) (Digest, error)
	// Health returns nil when packseal works, fault.NotReady while it starts, and
	// otherwise what is wrong. Required.
	Health func() error

	// Replicas is set if other replicas have the same channels.
	Replicas Replicas

	Logger     *slog.Logger // required
	Registerer prometheus.Registerer
}

// Notices sends notices to channels. Its methods may be called from several
// goroutines, and never wait for a channel.
type Notices struct {
	opts     Options
	metrics  *metrics
	saving   sync.Mutex  // held while the file is written
	caughtUp atomic.Bool // with Replicas: this one leads and knows what was sent

	mu          sync.Mutex // guards the following, and backlogs
	dispatchers []*dispatcher
	logs        map[string]channelLog // of the file, until the first Update
	start       func(*dispatcher)     // nil unless Run is running
}

// New makes Notices without channels.
func New(o Options) (*Notices, error) {
	if o.Overdue == nil || o.Problems == nil || o.Digest == nil || o.Health == nil || o.Logger == nil {
		return nil, errors.New("notify: Overdue, Problems, Digest, Health and Logger are required")
	}
	n := &Notices{opts: o, metrics: newMetrics(o.Registerer)}
	var err error
	if n.logs, err = readLogs(o.File); err != nil {
		o.Logger.Warn("notification log not read", "err", err)
	}
	return n, nil
}

// Update sets the channels, at any time. An unchanged one goes on undisturbed. A
// changed one keeps what is pending under its name; a message that is being sent
// ends first. A removed one is forgotten with what is pending.
//
// Only channels that are there get an event, so call it once before any event.
func (n *Notices) Update(entries []Entry) {
	n.mu.Lock()
	old := make(map[string]*dispatcher, len(n.dispatchers))
	for _, d := range n.dispatchers {
		old[d.Name] = d
	}
	n.dispatchers = make([]*dispatcher, 0, len(entries))
	for _, e := range entries {
		d := old[e.Name]
		delete(old, e.Name)
		n.dispatchers = append(n.dispatchers, n.updated(d, e))
	}
	for _, d := range old {
		d.end()
		n.metrics.remove(d.Name)
	}
	n.logs = nil
	n.caughtUp.Store(false) // a new channel may have been sent things by other replicas
	n.mu.Unlock()
	n.save()
}

// updated returns the dispatcher for an entry. d is the one under its name, or nil.
func (n *Notices) updated(d *dispatcher, e Entry) *dispatcher {
	switch {
	case d != nil && d.same(e):
		return d
	case d != nil:
		d = d.replace(e)
	default:
		log := n.logs[e.Name]
		if log.Since.IsZero() {
			log = newLog()
		}
		d = newDispatcher(n, e, newBacklog(log))
		n.metrics.add(e.Name)
	}
	d.showPending()
	if n.start != nil {
		n.start(d)
	}
	return d
}

// Gap reports a slot that ended as a gap. It may be called for any gap in the
// archive, repeatedly: what a channel was sent is not sent again.
func (n *Notices) Gap(e Event) { n.add(Gap, e) }

// Blocked reports an attempt at a slot that failed for a reason which an
// administrator has to remove. It may be called for each attempt: a channel is
// sent each cause once, until a pack that had it recovers.
func (n *Notices) Blocked(e Event) { n.add(Blocked, e) }

// Sealed reports a slot that was sealed, which recovers a pack that had a gap or
// was overdue. Like Gap, it may be called for any such slot.
func (n *Notices) Sealed(e Event) { n.add(Recovered, e) }

// NewContainer reports a report that came in another container than the pack's one
// before, once.
func (n *Notices) NewContainer(e Event) { n.add(NewContainer, e) }

// NotKept reports a pack that a listing has shown, and whose reports nobody asked to
// be kept. Like Found and Gone, it is called once.
func (n *Notices) NotKept(e Event) { n.add(NotKept, e) }

// Found reports a pack that is kept from its next slot on, which falls due at e.Due.
func (n *Notices) Found(e Event) { n.add(Found, e) }

// Gone reports a pack that is kept and does not exist any more.
func (n *Notices) Gone(e Event) { n.add(Gone, e) }

// NotListed reports a source whose packs can't be listed, or whose accounts, until an
// administrator removes the cause. It is called once for each cause.
func (n *Notices) NotListed(e Event) { n.add(NotListed, e) }

// ReloadFailed reports a new configuration that was refused.
func (n *Notices) ReloadFailed(err error) {
	n.add(ReloadFailed, Event{At: time.Now().UTC(), Detail: err.Error()})
}

func (n *Notices) add(k Kind, e Event) {
	e.Kind = k
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.dispatchers {
		d.add(e)
	}
}

// Run sends notices until ctx ends. What is pending then is sent if that takes a
// few seconds at most; the rest follows from the archive at the next start.
func (n *Notices) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	n.mu.Lock()
	n.start = func(d *dispatcher) {
		running, stop := context.WithCancelCause(ctx)
		d.stop, d.ended = stop, make(chan struct{})
		wg.Go(func() {
			defer stop(nil)
			d.run(running)
			close(d.ended)
			n.forget(d)
		})
	}
	for _, d := range n.dispatchers {
		n.start(d)
	}
	n.mu.Unlock()
	wg.Go(func() { n.watch(ctx) })
	if n.opts.Replicas != nil {
		wg.Go(func() { n.followLeader(ctx) })
	}
	<-ctx.Done()
	n.mu.Lock()
	n.start = nil // nothing is added to wg while it is waited for
	n.mu.Unlock()
	wg.Wait()
	n.save()
	return nil
}

// forget removes the metrics of a dispatcher that has ended, if its channel was
// removed: it may have counted its last message after that.
func (n *Notices) forget(d *dispatcher) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.ContainsFunc(n.dispatchers, func(other *dispatcher) bool { return other.Name == d.Name }) {
		n.metrics.remove(d.Name)
	}
}

// watchInterval is between two looks for overdue slots and verification results.
// The first is this long after the start: what is caught up with by then is not
// worth a notice.
const watchInterval = time.Minute

// watch looks for the events that are not reported by callers.
func (n *Notices) watch(ctx context.Context) {
	for fault.Sleep(ctx, watchInterval) {
		n.guard(ctx, "looking for overdue slots", func() error { //nolint:errcheck // a panic is logged and counted
			for _, e := range n.opts.Overdue() {
				n.add(Overdue, e)
			}
			n.add(Problems, Event{At: time.Now().UTC(), Counts: n.opts.Problems()})
			return nil
		})
	}
}

// save writes the notification log.
func (n *Notices) save() {
	n.saving.Lock()
	defer n.saving.Unlock()
	channels := make(map[string]channelLog)
	n.mu.Lock()
	for _, d := range n.dispatchers {
		channels[d.Name] = d.sent.clone()
	}
	n.mu.Unlock()
	if n.opts.File == "" || len(channels) == 0 {
		return
	}
	if err := writeLogs(n.opts.File, channels); err != nil {
		n.opts.Logger.Warn("notification log not saved", "err", err)
	}
}

// guard calls f and turns a panic into an error: no notice is worth the daemon.
func (n *Notices) guard(ctx context.Context, task string, f func() error) error {
	return guard.Call(f, func(value any, stack string) {
		n.metrics.panics.Inc()
		n.opts.Logger.ErrorContext(ctx, "notice panicked", "task", task, "err", fmt.Sprint(value), "stack", stack)
	})
}

// Test sends a channel a message that is marked as a test, in one attempt.
func Test(ctx context.Context, e Entry, instance string) error {
	if err := e.Channel.Send(ctx, newRenderer(e, instance).test(e.Name)); err != nil {
		return fmt.Errorf("testing %s: %w", e.Name, err)
	}
	return nil
}
