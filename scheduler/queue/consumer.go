package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
)

// ackWait is how long the server waits for an acknowledgement before it hands a
// task to somebody else; a worker that is alive sends three in that time.
const ackWait = 30 * time.Second

// createConsumer creates the source's consumer if it does not exist. It retries
// as long as the failure may be temporary: with a thousand sources at the start,
// a slow disk, or servers that come and go, that can take long.
func (s *stream) createConsumer(ctx context.Context, source string) error {
	config := jetstream.ConsumerConfig{
		Durable:       consumer(source),
		FilterSubject: s.prefix.subjects() + consumer(source) + ".*",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxDeliver:    -1, // a slot leaves the queue when it is settled, not before
		// No limit by the server: it counts what waits for its next try as
		// pending, so a few packs in trouble would block all others. What is
		// limited is how many are requested.
		MaxAckPending: -1,
	}
	for {
		err := s.requestConsumer(ctx, config)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			err = s.open(ctx) // its only copy is lost
		}
		if err != nil && !temporary(err) {
			return err
		}
		s.log.DebugContext(ctx, "consumer not created yet", "source", source, "err", err)
		fault.Sleep(ctx, time.Second)
	}
}

// requestConsumer asks the server for a consumer. Only one is requested at a
// time, so that none times out behind all the others.
func (s *stream) requestConsumer(ctx context.Context, config jetstream.ConsumerConfig) error {
	s.creating.Lock()
	defer s.creating.Unlock()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := s.handle.CreateOrUpdateConsumer(ctx, config)
	return err
}

// recreateConsumer deletes the source's consumer and creates it again. It hands
// out everything that is kept.
func (s *stream) recreateConsumer(ctx context.Context, source string) error {
	request, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := s.js.DeleteConsumer(request, s.prefix.stream(), consumer(source))
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("deleting the consumer: %w", err)
	}
	return s.createConsumer(ctx, source)
}
