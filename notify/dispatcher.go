package notify

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"packseal.example/internal/fault"
)

// drainTimeout is how long sending may take once Run's context has ended.
const drainTimeout = 3 * time.Second

// backoff is between two attempts.
var backoff = fault.Backoff{Base: 5 * time.Second, Max: 10 * time.Minute}

// errReplaced ends a dispatcher whose channel was changed or removed: what is
// pending is not its business any more.
var errReplaced = errors.New("the channel was replaced")

// dispatcher sends one channel its messages.
type dispatcher struct {
	Entry
	*backlog
	all      *Notices
	renderer renderer

	previous <-chan struct{}         // closed when the dispatcher that it replaces has ended; nil = none
	ended    chan struct{}           // closed when it has ended; nil = it was never started
	stop     context.CancelCauseFunc // with ended
}

func newDispatcher(n *Notices, e Entry, b *backlog) *dispatcher {
	e.On = e.kinds()
	e.Group = cmp.Or(e.Group, time.Minute)
	d := &dispatcher{Entry: e, backlog: b, all: n, renderer: newRenderer(e, n.opts.Instance)}
	// With a burst, no minute has more than PerMinute messages, wherever it begins.
	b.limit.SetLimit(rate.Limit(float64(max(e.Channel.Traits().PerMinute-burst, 1)) / 60))
	b.discard(func(e Event) bool { return d.wants(e.Kind) && d.concerns(e) })
	return d
}

// same reports whether the entry is the one that the dispatcher was made for.
func (d *dispatcher) same(e Entry) bool {
	return e.Spec != nil && reflect.DeepEqual(d.Spec, e.Spec)
}

// replace ends the dispatcher and returns one that goes on with its backlog.
func (d *dispatcher) replace(e Entry) *dispatcher {
	d.end()
	next := newDispatcher(d.all, e, d.backlog)
	next.previous = d.ended
	return next
}

// end stops the dispatcher without waiting for it.
func (d *dispatcher) end() {
	if d.stop != nil {
		d.stop(errReplaced)
	}
}

// run sends until ctx ends.
func (d *dispatcher) run(ctx context.Context) {
	if d.previous != nil {
		<-d.previous // it may be sending what is pending
	}
	d.all.mu.Lock()
	d.signal()
	d.all.mu.Unlock()
	var wg sync.WaitGroup
	if d.Channel.Traits().Heartbeat > 0 {
		wg.Go(func() { d.heartbeats(ctx) })
	} else {
		wg.Go(func() { d.events(ctx) })
		if d.wants(DigestDue) {
			wg.Go(func() { d.digests(ctx) })
		}
	}
	wg.Wait()
}

// wants reports whether the channel is sent events of the kind.
func (d *dispatcher) wants(k Kind) bool {
	return d.Channel.Traits().Heartbeat == 0 && slices.Contains(d.On, k)
}

// concerns reports whether the event is of a pack or a source that the channel is for,
// or of none.
func (d *dispatcher) concerns(e Event) bool {
	if e.Pack == "" {
		return e.Source == "" || Match{Sources: d.Match.Sources}.Pack(e.Source, "", nil)
	}
	return d.Match.Pack(e.Source, e.Pack, e.Labels)
}

// add accepts an event that is new to the channel. One that the channel does not
// want is recorded as sent, so that its recovery can be; but a cause that blocks
// packs that the channel is not for may block others too.
func (d *dispatcher) add(e Event) {
	if d.Channel.Traits().Heartbeat > 0 || !d.queued.isNew(e) || e.Kind == Blocked && !d.concerns(e) {
		return
	}
	d.queued.record(e)
	full := len(d.pending) >= maxPending
	switch {
	case !d.wants(e.Kind) || !d.concerns(e):
		d.sent.record(e)
	case full && (d.all.isLeader() || e.Kind.perReplica()):
		d.dropped++
		d.all.metrics.dropped.WithLabelValues(d.Name).Inc()
		d.sent.record(e)
	case full: // another replica has sent most of them: the latest are worth more
		d.pending = d.pending[1:]
		fallthrough
	default:
		d.push(e)
		d.showPending()
	}
}

// sendable yields the pending events that this replica may send now.
func (d *dispatcher) sendable() iter.Seq[pendingEvent] {
	leader := d.all.isLeader()
	return func(yield func(pendingEvent) bool) {
		for _, p := range d.pending {
			if (leader || p.Kind.perReplica()) && !yield(p) {
				return
			}
		}
	}
}

// showPending updates the gauge.
func (d *dispatcher) showPending() {
	n := 0
	for range d.sendable() {
		n++
	}
	d.all.metrics.pending.WithLabelValues(d.Name).Set(float64(n))
}

// batch returns the events of the next message, and how many were dropped.
func (d *dispatcher) batch() (batch []pendingEvent, dropped int) {
	d.all.mu.Lock()
	defer d.all.mu.Unlock()
	most := maxEvents
	if n := d.Channel.Traits().Events; n > 0 {
		most = min(most, n)
	}
	for p := range d.sendable() {
		if batch = append(batch, p); len(batch) == most {
			break
		}
	}
	return batch, d.dropped
}

// batchDone records that a batch was sent, or discarded.
func (d *dispatcher) batchDone(ctx context.Context, batch []pendingEvent, dropped int) {
	d.all.mu.Lock()
	d.done(batch, dropped)
	d.showPending()
	if len(d.pending) > 0 {
		d.signal()
	}
	d.all.mu.Unlock()
	d.share(ctx, events(batch))
	d.all.save()
}

// events sends events. Each waits for others to go out with it.
func (d *dispatcher) events(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-d.wake:
			fault.Sleep(ctx, d.Group)
		case <-ctx.Done():
		}
		if context.Cause(ctx) == errReplaced {
			return
		}
		d.flush(ctx)
	}
}

// flush sends what is pending and retries until it is sent or ctx ends. Each
// attempt includes what has happened since the one before.
func (d *dispatcher) flush(ctx context.Context) {
	for attempt := 0; ; attempt++ {
		batch, dropped := d.batch()
		if len(batch) == 0 {
			return
		}
		err := d.send(ctx, func(context.Context) (Message, error) { return d.renderer.events(events(batch), dropped), nil })
		if err == nil || permanent(err) {
			d.batchDone(ctx, batch, dropped)
			return
		}
		if !fault.Sleep(ctx, backoff.Wait(attempt, err)) {
			return
		}
	}
}

// digests sends each digest when it is due. Of those that were due while no
// replica was running, one is sent, which begins where the last one ended.
func (d *dispatcher) digests(ctx context.Context) {
	for attempt := 0; ; {
		from, now := d.lastDigest(), time.Now()
		wait := time.Minute // at most: timers stand still while a machine is suspended
		due, ok := d.Digest.Latest(from, now)
		switch {
		case !ok:
			next := d.Digest.Next(now)
			if next.IsZero() {
				return
			}
			wait = min(wait, time.Until(next))
		case !d.all.isLeader():
			wait = leaderPoll
		default:
			err := d.digest(ctx, from, due)
			if err == nil || permanent(err) {
				d.digestDone(ctx, due)
				attempt, wait = 0, 0
				break
			}
			wait = backoff.Wait(attempt, err)
			attempt++
		}
		if !fault.Sleep(ctx, wait) {
			return
		}
	}
}

// digest makes and sends a digest of the slots that were due in (from, to].
func (d *dispatcher) digest(ctx context.Context, from, to time.Time) error {
	return d.send(ctx, func(ctx context.Context) (Message, error) {
		digest, err := d.all.opts.Digest(ctx, d.Match, from, to)
		return d.renderer.digest(digest), err
	})
}

func (d *dispatcher) lastDigest() time.Time {
	d.all.mu.Lock()
	defer d.all.mu.Unlock()
	return d.sent.Digest
}

// digestDone records that the digest up to due was sent, or discarded.
func (d *dispatcher) digestDone(ctx context.Context, due time.Time) {
	d.all.mu.Lock()
	d.sent.Digest, d.queued.Digest = due, due
	d.all.mu.Unlock()
	d.share(ctx, nil)
	d.all.save()
}

// heartbeats calls a dead man's switch at intervals, to say that packseal works or why
// it does not. While packseal is starting it sends nothing, and neither does a
// replica that does not lead: one heartbeat is for all.
func (d *dispatcher) heartbeats(ctx context.Context) {
	for {
		wait := leaderPoll
		if d.all.isLeader() {
			wait = d.heartbeat(ctx)
		}
		if !fault.Sleep(ctx, wait) {
			return
		}
	}
}

// heartbeat sends one heartbeat and returns how long to wait for the next.
func (d *dispatcher) heartbeat(ctx context.Context) time.Duration {
	interval := d.Channel.Traits().Heartbeat
	health := d.all.guard(ctx, "checking health", d.all.opts.Health)
	if fault.Of(health) == fault.NotReady {
		return min(interval, 5*time.Second)
	}
	fault.Retry(ctx, 3, fault.Backoff{}, func() error { //nolint:errcheck // logged and counted
		return d.send(ctx, func(context.Context) (Message, error) { return d.renderer.heartbeat(health), nil })
	})
	return interval
}

// send renders a message and tries once to send it. It counts and logs the result.
func (d *dispatcher) send(ctx context.Context, render func(context.Context) (Message, error)) error {
	sending, cancel := fault.Outlive(ctx, drainTimeout)
	defer cancel()
	err := d.limit.Wait(sending)
	if err == nil {
		err = d.all.guard(ctx, "sending to "+d.Name, func() error {
			m, err := render(sending)
			if err != nil {
				return err
			}
			return d.Channel.Send(sending, m)
		})
	}
	logger := d.all.opts.Logger.With("channel", d.Name, "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
	switch {
	case err == nil:
		d.all.metrics.count(d.Name, sent)
		return nil
	case sending.Err() != nil:
		return fault.Wrap(fault.Canceled, err)
	case permanent(err):
		d.all.metrics.count(d.Name, refused)
		logger.ErrorContext(ctx, "notice discarded")
	default:
		d.all.metrics.count(d.Name, failed)
		logger.WarnContext(ctx, "notice failed")
	}
	return err
}

// permanent reports whether sending the same message again is pointless.
func permanent(err error) bool {
	switch r := fault.Of(err); r {
	case fault.Credentials, fault.Denied, fault.NotFound, fault.Deadline: // an administrator can fix these
		return false
	default:
		return !r.Transient()
	}
}
