package queue

import (
	"context"
	"fmt"
	"time"

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
	_, err := q.engine.stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:       token(source),
		FilterSubject: subjects + token(source) + ".*",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxDeliver:    -1, // a slot leaves the queue when it is settled, not before
		// No bound by the engine: it counts what waits for another try as at
		// work, so a few packs in trouble would hold up all others. The bound
		// is on what is asked for.
		MaxAckPending: -1,
	})
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("working on %s: %w", source, err)
	}
	p, err := newPuller(q.engine.conn, source, n)
	if err != nil {
		return fmt.Errorf("working on %s: %w", source, err)
	}
	w := &worker{JetStream: q, source: source, handle: handle, puller: p, stopped: make(chan struct{})}
	defer w.running.Wait()
	defer w.stop()
	for ctx.Err() == nil {
		if err := w.round(ctx); err != nil {
			return fmt.Errorf("working on %s: %w", source, err)
		}
	}
	return nil
}

// round asks for as many tasks as workers are free, at least for one, and
// sets them to work as they come, until the request is used up. So no task
// that is handed out waits here while its time runs.
func (w *worker) round(ctx context.Context) error {
	want := w.claim(ctx)
	defer func() { w.release(want) }()
	if want == 0 {
		return nil
	}
	if err := w.request(want); err != nil {
		return err
	}
	silence := time.NewTimer(silent)
	defer silence.Stop()
	for want > 0 {
		select {
		case <-ctx.Done():
			return nil
		case <-silence.C: // after a suspend, for one: ask anew
			return nil
		case msg := <-w.msgs:
			silence.Reset(silent)
			switch status(msg) {
			case "":
				want--
				w.running.Go(func() { w.work(ctx, msg) })
			case heartbeat:
			case noMessages, expired:
				return nil
			default:
				w.log.Debug("a request for slots was refused", "source", w.source, "err", msg.Header.Get("Description"))
				fault.Sleep(ctx, time.Second)
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
		w.answered(nil, w.nak(msg))
	}
}
