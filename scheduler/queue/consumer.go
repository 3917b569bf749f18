package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
)

// ackWait is when the server hands a task to somebody else. A live worker is heard thrice.
const ackWait = 30 * time.Second

// createConsumer creates the source's consumer if it does not exist. It retries what
// may pass: a thousand sources at the start, a slow disk, servers that come and go.
func (s *stream) createConsumer(ctx context.Context, source string) error {
	config := jetstream.ConsumerConfig{
		Durable:       consumer(source),
		FilterSubject: s.prefix.subjects() + consumer(source) + ".*",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxDeliver:    -1, // a slot leaves the queue when it is settled, not before
		// No limit by the server, which counts what waits for its next try: a few packs in
		// trouble would block all others. What is limited is how many are requested.
		MaxAckPending: -1,
	}
	for {
		err := s.requestConsumer(ctx, config)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			err = s.open(ctx) // its only copy is lost
		} else if errors.Is(err, jetstream.ErrMaximumConsumersLimit) {
			s.log.WarnContext(ctx, "source not worked on", "source", source, "err", err, "hint", "raise default_max_consumers of the NATS servers, or max_consumers of the account")
			fault.Sleep(ctx, 20*repeatAfter)
			continue
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

// recreateConsumer creates the source's consumer anew, which hands out all that is kept.
func (s *stream) recreateConsumer(ctx context.Context, source string) error {
	request, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := s.js.DeleteConsumer(request, s.prefix.stream(), consumer(source))
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("deleting the consumer: %w", err)
	}
	return s.createConsumer(ctx, source)
}
