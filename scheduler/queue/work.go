package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// ackWait is how long the engine waits for a sign of life before it
	// hands a task to somebody else; a living worker gives three in that time.
	ackWait = 30 * time.Second

	// pullExpiry is how long one request for a task stands. Idle, a source
	// costs one message per heartbeat, half as long.
	pullExpiry    = time.Minute
	pullHeartbeat = pullExpiry / 2
)

// Work implements Queue.
func (q *JetStream) Work(ctx context.Context, source string, n int, handle Handler) error {
	if n < 1 {
		return fmt.Errorf("working on %s: %d workers", source, n)
	}
	consumer, err := q.engine.stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:       token(source),
		FilterSubject: subjects + token(source) + ".*",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxDeliver:    -1, // a slot leaves the queue when it is settled, not before
		// No bound by the engine: it counts what waits for another try as at
		// work, so a few packs in trouble would hold up all others. The bound
		// is on the requests below.
		MaxAckPending: -1,
	})
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("working on %s: %w", source, err)
	}
	// One message a request, and a request only when a worker is free: what
	// is handed out never waits here while its time runs.
	msgs, err := consumer.Messages(jetstream.PullMaxMessages(1),
		jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
	if err != nil {
		return fmt.Errorf("working on %s: %w", source, err)
	}
	w := &worker{JetStream: q, source: source, handle: handle, drained: make(chan struct{})}
	free := make(chan struct{}, n)
	var running sync.WaitGroup
	defer running.Wait()
	defer w.drain(msgs)
	for {
		select {
		case <-ctx.Done():
			return nil
		case free <- struct{}{}:
		}
		msg, err := msgs.Next(jetstream.NextContext(ctx))
		switch {
		case err == nil:
			running.Go(func() {
				defer func() { <-free }()
				w.work(ctx, msg)
			})
			continue
		case errors.Is(err, jetstream.ErrMsgIteratorClosed):
			return fmt.Errorf("working on %s: %w", source, err)
		case ctx.Err() == nil: // such as a heartbeat that came late: the next request is a fresh one
			q.log.Debug("waiting for a slot was interrupted", "source", source, "err", err)
		}
		<-free
	}
}
