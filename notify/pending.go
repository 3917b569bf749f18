package notify

import (
	"slices"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxPending bounds the events that are pending for a channel.
	maxPending = 10_000
	// maxEvents bounds the events of one message.
	maxEvents = 1000
	// burst is how many messages may be sent at once.
	burst = 4
)

// pendingEvent is an event that is still to be sent.
type pendingEvent struct {
	Event
	number uint64
}

// backlog is what was sent under a channel's name, and what is still to be sent.
// A channel that is opened anew keeps its backlog. The last group of fields is
// guarded by Notices.mu.
type backlog struct {
	limit *rate.Limiter
	wake  chan struct{} // has one if something is pending

	pending []pendingEvent // in the order in which they happened
	last    uint64         // the number of the latest one
	dropped int            // events beyond maxPending, since the last message
	sent    channelLog     // without what is pending
	queued  channelLog     // with what is pending
}

func newBacklog(log channelLog) *backlog {
	return &backlog{limit: rate.NewLimiter(0, burst), wake: make(chan struct{}, 1), sent: log, queued: log.clone()}
}

// newLog returns the log of a channel that nothing was sent to.
func newLog() channelLog {
	now := time.Now().UTC().Truncate(time.Second)
	return channelLog{Since: now, Digest: now}
}

// push appends an event.
func (b *backlog) push(e Event) {
	b.last++
	b.pending = append(b.pending, pendingEvent{e, b.last})
	b.signal()
}

// signal wakes the dispatcher.
func (b *backlog) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// discard takes the pending events that are not wanted off the backlog, as if they
// had been sent.
func (b *backlog) discard(wanted func(Event) bool) {
	b.pending = slices.DeleteFunc(slices.Clone(b.pending), func(p pendingEvent) bool {
		if wanted(p.Event) {
			return false
		}
		b.sent.record(p.Event)
		return true
	})
}

// done records that a batch was sent.
func (b *backlog) done(batch []pendingEvent, dropped int) {
	numbers := make(map[uint64]bool, len(batch))
	for _, p := range batch {
		b.sent.record(p.Event)
		numbers[p.number] = true
	}
	b.pending = slices.DeleteFunc(slices.Clone(b.pending), func(p pendingEvent) bool { return numbers[p.number] })
	b.dropped -= dropped
}

// merge adds what other replicas have sent, and drops the pending events that are
// among it.
func (b *backlog) merge(log channelLog) {
	b.sent = b.sent.merged(log)
	b.queued = b.sent.clone()
	b.pending = slices.DeleteFunc(slices.Clone(b.pending), func(p pendingEvent) bool {
		if !b.queued.isNew(p.Event) {
			return true
		}
		b.queued.record(p.Event)
		return false
	})
}

// events returns the events of a batch.
func events(batch []pendingEvent) []Event {
	all := make([]Event, len(batch))
	for i, p := range batch {
		all[i] = p.Event
	}
	return all
}
