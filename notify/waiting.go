package notify

import (
	"context"
	"slices"
)

// waiting is an event that waits to be told.
type waiting struct {
	Event
	number uint64
}

// next numbers an event.
func (c *courier) next(e Event) waiting {
	c.last++
	return waiting{e, c.last}
}

// count shows how many events wait to be told by this replica.
func (c *courier) count() {
	n, may := 0, c.all.may()
	for _, w := range c.pending {
		if may || w.Kind.own() {
			n++
		}
	}
	c.all.metrics.pending.WithLabelValues(c.Name).Set(float64(n))
}

// mine returns the pending events that this replica may tell now.
func (c *courier) mine() []waiting {
	if c.all.may() {
		return c.pending
	}
	return slices.DeleteFunc(slices.Clone(c.pending), func(w waiting) bool { return !w.Kind.own() })
}

// waiting returns what there is to tell, as much as goes into one message.
func (c *courier) waiting() ([]waiting, int) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	mine := c.mine()
	return slices.Clone(mine[:min(len(mine), maxEvents)]), c.dropped
}

// eventsOf returns what is told of them.
func eventsOf(batch []waiting) []Event {
	all := make([]Event, len(batch))
	for i, w := range batch {
		all[i] = w.Event
	}
	return all
}

// told takes these events off what is pending.
func (c *courier) told(ctx context.Context, batch []waiting, dropped int) {
	gone := make(map[uint64]bool, len(batch))
	c.all.mu.Lock()
	for _, w := range batch {
		c.saved.note(w.Event)
		gone[w.number] = true
	}
	c.pending = slices.DeleteFunc(slices.Clone(c.pending), func(w waiting) bool { return gone[w.number] })
	c.dropped -= dropped
	c.count()
	if len(c.pending) > 0 {
		c.rouse()
	}
	c.all.mu.Unlock()
	c.share(ctx, eventsOf(batch))
	c.all.save(ctx)
}
