package queue

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// unpaused waits while the whole source is paused, asking for nothing, and
// reports whether there is work to do. A task that comes all the same, for a
// request from before, is put back.
func (w *worker) unpaused(ctx context.Context) bool {
	for ctx.Err() == nil {
		whole, _, changed := w.pauses.source(w.source)
		if !whole {
			return true
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case msg := <-w.msgs:
			if status(msg) == "" {
				w.running.Go(func() {
					if t, err := decode(msg); err != nil || !w.hold(ctx, msg, t) {
						w.answered(nil, w.answer(ctx, msg, putBack(0)))
					}
				})
			}
		}
	}
	return false
}

// hold puts a slot that is paused back, and reports whether it did.
func (w *worker) hold(ctx context.Context, msg *nats.Msg, t scheduler.Task) bool {
	subject := w.engine.prefix.subject(t.Source, t.Pack)
	if _, paused := w.pauses.of(subject); !paused {
		return false
	}
	w.answered(&t, w.answer(ctx, msg, putBack(holdFor)))
	w.book.hold(t, msg.Reply)
	if _, paused := w.pauses.of(subject); !paused { // in between
		w.resume()
	}
	return true
}

// resume has the engine hand out at once what this replica holds and is not
// paused any more: it takes a second answer to the same delivery.
func (q *JetStream) resume() {
	for _, reply := range q.book.release(func(subject string) bool { _, paused := q.pauses.of(subject); return paused }) {
		if err := q.engine.conn.Publish(reply, putBack(0)); err != nil {
			return // the connection is gone; they come by themselves
		}
	}
}

// How often it is looked whether the deadline of a paused slot has passed: at
// most so often, at least so often, and never for more than a fiftieth of the time.
const (
	sweepSoonest = 2 * time.Second
	sweepLatest  = 5 * time.Minute
	sweepShare   = 50
)

// sweep sees to the slots of this source that are paused: those that are not
// paused any more go on, and those whose deadline passes are settled.
func (w *worker) sweep(ctx context.Context) {
	again := time.NewTimer(sweepLatest)
	defer again.Stop()
	for ctx.Err() == nil {
		_, n, changed := w.pauses.source(w.source)
		w.resume()
		if again.Stop(); n > 0 {
			began := time.Now()
			if err := w.giveUp(ctx); err != nil && ctx.Err() == nil {
				w.log.WarnContext(ctx, "paused slots that are past their deadlines can't be settled yet", "source", w.source, "reason", fault.Of(err), "err", err)
			}
			again.Reset(min(max(sweepShare*time.Since(began), sweepSoonest), sweepLatest))
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-again.C:
		}
	}
}

// atOnce is how many slots are given up at the same time.
const atOnce = 8

// giveUp settles the paused slots whose deadline has passed and that no other
// replica has in its hands: the handler records why there is no report, unless
// there is one after all. Of two replicas that do so at once, the archive
// takes the first; then the slot leaves the queue.
func (w *worker) giveUp(ctx context.Context) error {
	subjects, err := w.engine.subjects(ctx, w.source)
	if err != nil {
		return err
	}
	var paused []string
	for _, s := range subjects {
		if _, ok := w.pauses.of(s); ok {
			paused = append(paused, s)
		}
	}
	var late []stored
	for s, err := range w.engine.read(ctx, paused) {
		if err != nil {
			return err
		}
		if time.Now().After(s.Deadline) {
			late = append(late, s)
		}
	}
	if len(late) == 0 {
		return nil
	}
	claims, _ := w.ask(ctx)
	places := make(chan struct{}, atOnce)
	var settling sync.WaitGroup
	defer settling.Wait()
	for _, s := range late {
		c, claimed := claims[s.subject]
		p, still := w.pauses.of(s.subject)
		if !still || claimed && c.Due.Equal(s.Due) && (c.Working || c.Member != w.member && c.Again > 0 && !c.Held) {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case places <- struct{}{}:
		}
		settling.Go(func() {
			defer func() { <-places }()
			t := s.Task
			t.Delivered, t.Fetched, t.Paused = 1, func() {}, p.String()
			if w.guarded(ctx, t) <= 0 {
				w.answered(&t, w.engine.drop(ctx, s.seq))
			}
		})
	}
	return nil
}
