package queue

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"packseal.example/internal/fault"
)

// pausedSlots are the slots of one source that are paused, or whose source is.
type pausedSlots struct {
	*common
	source string
	settle Handler
	wait   time.Duration // after a check, until the next
}

// deferred puts a slot back if it is paused, and reports whether it is.
func (p *pausedSlots) deferred(ctx context.Context, d *delivery) bool {
	subject := p.stream.prefix.subject(d.Source, d.Pack)
	if _, paused := p.pauses.of(subject); !paused {
		return false
	}
	d.answer(ctx, putBack(deferDelay))
	p.inflight.deferUntilResume(d.Task, d.Reply)
	if _, paused := p.pauses.of(subject); !paused { // in between
		p.resume()
	}
	return true
}

// resume has the server hand out at once what this replica has deferred and is
// no longer paused: it takes a second answer to the same delivery.
func (p *pausedSlots) resume() {
	for _, reply := range p.inflight.resumed(p.pauses.of) {
		if err := p.stream.conn.Publish(reply, putBack(0)); err != nil {
			return // the connection is gone; they come by themselves
		}
	}
}

// How paused slots are checked for deadlines that have passed: at most and at least
// so often, and the less often the more there are, whatever the load.
const (
	expireSoonest = 2 * time.Second
	expireLatest  = 5 * time.Minute
	expireEach    = 10 * time.Millisecond // for each slot that is read, and for ten that are listed
	expireAtOnce  = 8                     // how many slots are settled at the same time
)

// expireAfter returns how long after a check of so many slots the next one is due.
func expireAfter(listed, read int) time.Duration {
	return min(max(time.Duration(read+listed/10)*expireEach, expireSoonest), expireLatest)
}

// run resumes what is no longer paused and settles what expires, until ctx ends.
func (p *pausedSlots) run(ctx context.Context) {
	next := time.NewTimer(expireLatest)
	defer next.Stop()
	for ctx.Err() == nil {
		_, n, changed := p.pauses.source(p.source)
		p.resume()
		if next.Stop(); n > 0 {
			if err := p.expire(ctx); err != nil && ctx.Err() == nil {
				p.log.WarnContext(ctx, "expired paused slots not settled", "source", p.source, "reason", fault.Of(err), "err", err)
			}
			next.Reset(p.wait)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-next.C:
		}
	}
}

// expire settles the paused slots whose deadline has passed and that no other
// replica works on: the handler records why there is no report, unless there is
// one after all. Of two replicas that do so at once, the archive accepts the
// first; then the slot is deleted.
func (p *pausedSlots) expire(ctx context.Context) error {
	late, err := p.expired(ctx)
	if err != nil || len(late) == 0 {
		return err
	}
	claims, _ := gatherClaims(ctx, p.group, p.stream.prefix)
	var settling errgroup.Group
	settling.SetLimit(expireAtOnce)
	for _, slot := range late {
		c, claimed := claims[slot.subject]
		pause, still := p.pauses.of(slot.subject)
		if !still || ctx.Err() != nil || claimed && c.Due.Equal(slot.Due) && (c.Working || c.Member != p.group.Name() && c.Again > 0 && !c.Held) {
			continue
		}
		settling.Go(func() error {
			t := slot.Task
			t.Delivered, t.Fetched, t.Paused = 1, func() {}, pause.String()
			if p.handle(ctx, p.settle, t) > 0 {
				return nil
			}
			return p.stream.delete(ctx, slot.seq)
		})
	}
	return settling.Wait()
}

// expired returns the source's paused slots whose deadline has passed.
func (p *pausedSlots) expired(ctx context.Context) (late []stored, err error) {
	all, err := p.stream.subjects(ctx, consumer(p.source))
	if err != nil {
		return nil, err
	}
	subjects := slices.DeleteFunc(all, func(s string) bool { _, paused := p.pauses.of(s); return !paused })
	p.wait = expireAfter(len(all), len(subjects))
	for s, err := range p.stream.read(ctx, subjects) {
		if err != nil {
			return nil, err
		}
		if time.Now().After(s.Deadline) {
			late = append(late, s)
		}
	}
	return late, nil
}
