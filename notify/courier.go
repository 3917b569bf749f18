package notify

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"packseal.example/internal/fault"
)

const (
	// maxPending bounds the events that wait for a channel that is down.
	maxPending = 10_000
	// maxEvents bounds the events of one message.
	maxEvents = 1000
	// burst is how many messages may go out at once.
	burst = 4
	// lastWords is how long sending may take once Run was asked to end.
	lastWords = 3 * time.Second
)

// again is between two tries of a channel.
var again = fault.Backoff{Base: 5 * time.Second, Max: 10 * time.Minute}

// courier brings one channel its messages. Its last group of fields is guarded
// by Notices.mu.
type courier struct {
	Entry
	all   *Notices
	style style
	limit *rate.Limiter
	wake  chan struct{} // has one when something is pending

	pending []waiting // in the order they happened
	last    uint64    // the number of the latest of them
	dropped int       // events beyond maxPending, since the last message
	queued  told      // with what is pending
	saved   told      // without
}

func newCourier(n *Notices, e Entry, t told) *courier {
	if len(e.On) == 0 {
		e.On = Kinds()
	}
	e.Group = cmp.Or(e.Group, time.Minute)
	// With this, no minute has more than PerMinute messages, wherever it begins.
	steady := rate.Limit(float64(max(e.Channel.Traits().PerMinute-burst, 1)) / 60)
	return &courier{
		Entry: e, all: n, style: styleOf(e, n.Instance), limit: rate.NewLimiter(steady, burst),
		wake: make(chan struct{}, 1), queued: t.copy(), saved: t,
	}
}

// add takes an event that is news to the channel. One that the channel does
// not want is noted as told, so that it can be recovered from.
func (c *courier) add(e Event) {
	if c.Channel.Traits().Pulse > 0 || !c.queued.news(e) {
		return
	}
	c.queued.note(e)
	switch {
	case !slices.Contains(c.On, e.Kind):
		c.saved.note(e)
	case len(c.pending) >= maxPending && !c.all.may() && !e.Kind.own():
		// Somebody else has told most of them: the latest are worth more.
		c.pending = append(c.pending[1:], c.next(e))
	case len(c.pending) >= maxPending:
		c.dropped++
		c.all.metrics.dropped.WithLabelValues(c.Name).Inc()
		c.saved.note(e)
	default:
		c.pending = append(c.pending, c.next(e))
		c.count()
		c.rouse()
	}
}

func (c *courier) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// news tells the events: each waits for others to go with it.
func (c *courier) news(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-c.wake:
			fault.Sleep(ctx, c.Group)
		case <-ctx.Done():
		}
		c.deliver(ctx)
	}
}

// deliver sends what is pending, again and again until it is told or ctx ends.
// Each try takes along what has happened since the one before.
func (c *courier) deliver(ctx context.Context) {
	for try := 0; ; try++ {
		batch, dropped := c.waiting()
		if len(batch) == 0 {
			return
		}
		events := eventsOf(batch)
		err := c.send(ctx, func(context.Context) (Message, error) { return c.style.news(events, dropped), nil })
		if err == nil || hopeless(err) {
			c.told(ctx, batch, dropped)
			return
		}
		if !fault.Sleep(ctx, again.Wait(try, err)) {
			return
		}
	}
}

// digests tells each digest when it is due. Of those that fell due while
// nobody was running, one is told, from where the last one ended.
func (c *courier) digests(ctx context.Context) {
	for try := 0; ; {
		now, wait := time.Now(), time.Minute // no longer: timers stand still in a suspended machine
		from := c.lastDigest()
		if due, ok := c.Digest.Latest(from, now); ok && !c.all.may() {
			wait = turnEvery
		} else if ok {
			err := c.send(ctx, func(ctx context.Context) (Message, error) {
				d, err := c.all.Digest(ctx, from, due)
				return c.style.digest(d), err
			})
			if err == nil || hopeless(err) {
				c.digested(ctx, due)
				try = 0
				continue
			}
			wait = again.Wait(try, err)
			try++
		} else if next := c.Digest.Next(now); next.IsZero() {
			return
		} else {
			wait = min(wait, time.Until(next))
		}
		if !fault.Sleep(ctx, wait) {
			return
		}
	}
}

func (c *courier) lastDigest() time.Time {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	return c.saved.Digest
}

func (c *courier) digested(ctx context.Context, due time.Time) {
	c.all.mu.Lock()
	c.saved.Digest, c.queued.Digest = due, due
	c.all.mu.Unlock()
	c.share(ctx, nil)
	c.all.save(ctx)
}

// pulses tells a dead man's switch, for as long as packseal works, that it
// does, and otherwise what is the matter. While packseal starts it is silent,
// and so is a replica when another one tells: one pulse is for all.
func (c *courier) pulses(ctx context.Context) {
	for {
		if !c.all.may() {
			if !fault.Sleep(ctx, turnEvery) {
				return
			}
			continue
		}
		wait := c.Channel.Traits().Pulse
		health := c.all.guarded(ctx, "looking after the health", func() error { return c.all.Health() })
		if fault.Of(health) == fault.NotReady {
			wait = min(wait, 5*time.Second)
		} else {
			fault.Retry(ctx, 3, fault.Backoff{}, func() error { //nolint:errcheck // logged and counted
				return c.send(ctx, func(context.Context) (Message, error) { return c.style.pulse(health), nil })
			})
		}
		if !fault.Sleep(ctx, wait) {
			return
		}
	}
}

// send makes a message and tries once to send it. It counts and logs how that
// went.
func (c *courier) send(ctx context.Context, compose func(context.Context) (Message, error)) error {
	within, stop := linger(ctx, lastWords)
	defer stop()
	err := c.limit.Wait(within)
	if err == nil {
		err = c.all.guarded(ctx, "sending to "+c.Name, func() error {
			m, err := compose(within)
			if err != nil {
				return err
			}
			return c.Channel.Send(within, m)
		})
	}
	switch {
	case err == nil:
		c.all.metrics.count(c.Name, sent)
		return nil
	case within.Err() != nil:
		return fault.Wrap(fault.Canceled, err)
	case hopeless(err):
		c.all.metrics.count(c.Name, refused)
		c.all.Logger.ErrorContext(ctx, "notice is given up", "channel", c.Name, "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
	default:
		c.all.metrics.count(c.Name, failed)
		c.all.Logger.WarnContext(ctx, "notice has to wait", "channel", c.Name, "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
	}
	return err
}

// hopeless reports whether sending the same again can't do.
func hopeless(err error) bool {
	switch r := fault.Of(err); r {
	case fault.Credentials, fault.Denied, fault.NotFound, fault.Deadline: // a person can mend these
		return false
	default:
		return !r.Transient()
	}
}

// linger returns a context that ends a while after ctx does.
func linger(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	within, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(while, cancel)
	})
	return within, func() { stop(); cancel() }
}
