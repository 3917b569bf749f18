package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
)

// ackWait is how long the engine waits for a sign of life before it hands a
// task to somebody else; a living worker gives three in that time.
const ackWait = 30 * time.Second

// Work implements Queue.
func (q *JetStream) Work(ctx context.Context, source string, n int, handle Handler) error {
	if n < 1 {
		return fmt.Errorf("working on %s: %d workers", source, n)
	}
	places, done, err := q.places(source, n)
	if err != nil {
		return fmt.Errorf("working on %s: %w", source, err)
	}
	defer done()
	if err := q.engine.consume(ctx, source); ctx.Err() != nil {
		return nil
	} else if err != nil {
		return fmt.Errorf("working on %s: %w", source, err)
	}
	p, err := newPuller(q.engine, source, places)
	if err != nil {
		return fmt.Errorf("working on %s: %w", source, err)
	}
	w := &worker{JetStream: q, source: source, handle: handle, puller: p, stopped: make(chan struct{})}
	defer w.running.Wait()
	defer w.stop()
	w.running.Go(func() { w.sweep(ctx) })
	w.running.Go(func() { w.rouse(ctx) })
	for w.unpaused(ctx) {
		if err := w.round(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("working on %s: %w", source, err)
		}
	}
	return nil
}

// places returns the places of a source whose bound over all replicas is n,
// and what gives them back. Who is alone has all of them at once.
func (q *JetStream) places(source string, n int) (p *places, done func(), err error) {
	gauge := q.metrics.placesOf(source)
	if q.sharing != nil {
		return q.sharing.work(source, n, gauge)
	}
	p = newPlaces(n, gauge)
	p.grant(n, n)
	return p, p.fence, nil
}

// Part returns how much of the source's bounds is this replica's at the
// moment, from 0 to 1: 1 where there are no others.
func (q *JetStream) Part(source string) float64 {
	if q.sharing == nil {
		return 1
	}
	return q.sharing.part(source)
}

// consume makes the source's consumer, if it is not there. Where servers come
// and go it waits until that succeeds, and everywhere until there is an answer:
// with a thousand sources at the start, or a slow disk, that can take long.
func (e *engine) consume(ctx context.Context, source string) error {
	config := jetstream.ConsumerConfig{
		Durable:       token(source),
		FilterSubject: e.prefix.subjects() + token(source) + ".*",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxDeliver:    -1, // a slot leaves the queue when it is settled, not before
		// No bound by the engine: it counts what waits for another try as at
		// work, so a few packs in trouble would hold up all others. The bound
		// is on what is asked for.
		MaxAckPending: -1,
	}
	for {
		err := e.createConsumer(ctx, config)
		if err == nil || ctx.Err() != nil || !e.spread && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			err = e.ensure(ctx) // its only copy is lost
		}
		if err != nil && !passes(err) {
			return err
		}
		fault.Sleep(ctx, time.Second)
	}
}

// createConsumer asks the engine for a consumer. Only one is asked for at a
// time, so that none waits behind all others until nobody waits for it.
func (e *engine) createConsumer(ctx context.Context, config jetstream.ConsumerConfig) error {
	e.consuming.Lock()
	defer e.consuming.Unlock()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	_, err := e.stream.CreateOrUpdateConsumer(ctx, config)
	return err
}

// round asks for as many tasks as places are free, at least for one, and
// sets them to work as they come, until the request is used up, or the places
// may be others'. So no task that is handed out waits here while its time runs.
func (w *worker) round(ctx context.Context) error {
	want, lease := w.claim(ctx, func(msg *nats.Msg) {
		w.running.Go(func() { w.answered(nil, w.answer(ctx, msg, putBack(0))) })
	})
	defer func() { w.give(want) }()
	if want == 0 {
		return nil
	}
	if err := w.request(want); err != nil {
		return err
	}
	silence := time.NewTimer(w.silent())
	defer silence.Stop()
	for want > 0 {
		select {
		case <-ctx.Done():
			return nil
		case <-lease.Done():
			return nil
		case <-silence.C: // after a suspend, for one: ask anew
			return nil
		case msg := <-w.msgs:
			silence.Reset(w.silent())
			switch status(msg) {
			case "":
				want--
				w.running.Go(func() { w.work(ctx, lease, msg) })
			case heartbeat:
			case noMessages, expired:
				return nil
			default:
				w.log.Debug("a request for slots was refused", "source", w.source, "err", msg.Header.Get("Description"))
				fault.Sleep(ctx, time.Second)
				if w.engine.spread { // the consumer may be gone with its server
					return w.engine.consume(ctx, w.source)
				}
				return nil
			}
		}
	}
	return nil
}

// stop ends the pulling, and returns what came too late to be worked on. Only
// then may anything else be returned: it would come right back.
func (w *worker) stop() {
	defer close(w.stopped)
	for msg := range w.rest() {
		w.answered(nil, w.answer(context.Background(), msg, putBack(0)))
	}
}
