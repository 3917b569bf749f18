package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
)

// duplicateWindow is how long the engine remembers which slots it has taken:
// longer than it takes other replicas and retries to publish the same slot.
const duplicateWindow = 2 * time.Hour

// What the engine answers when it cannot keep a stream as often as it should.
const (
	codeNoPeers     = 10005 // too few servers are there,
	codeNoRoom      = 10023 // or, as older ones say it, have room
	codeUnclustered = 10074 // there is one server and no cluster
)

// scarce reports whether err says that there are too few servers.
func scarce(err error) bool {
	refused, ok := errors.AsType[*jetstream.APIError](err)
	return ok && slices.Contains([]jetstream.ErrorCode{codeNoPeers, codeNoRoom, codeUnclustered}, refused.ErrorCode)
}

// ensure opens the stream and the board, and makes them if need be. What another replica, or
// an operator, has set otherwise in a stream that is there is put right, but
// copies are never taken away.
func (e *engine) ensure(ctx context.Context) (err error) {
	config := jetstream.StreamConfig{
		Name:                 e.prefix.stream(),
		Subjects:             []string{e.prefix.subjects() + "*.*"},
		Retention:            jetstream.WorkQueuePolicy, // what is settled is gone
		Storage:              jetstream.FileStorage,
		MaxMsgsPerSubject:    1, // one slot a pack;
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true, // the earlier one stays, the later one is refused
		MaxBytes:             e.maxBytes,
		Duplicates:           duplicateWindow,
		Replicas:             e.copies,
	}
	stream, err := e.js.Stream(ctx, config.Name)
	if err == nil {
		if err := most(stream.CachedInfo().Cluster); err != nil {
			return err
		}
		have := stream.CachedInfo().Config
		config.Replicas = max(have.Replicas, e.copies)
		if have.MaxBytes != config.MaxBytes || have.Replicas != config.Replicas || have.Duplicates != config.Duplicates {
			stream, err = e.js.UpdateStream(ctx, config)
		}
	} else if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = e.js.CreateStream(ctx, config)
	}
	if scarce(err) && !e.exact {
		config.Replicas = 1
		stream, err = e.js.CreateOrUpdateStream(ctx, config)
	}
	if err != nil {
		return fmt.Errorf("opening the queue's stream: %w", err)
	}
	if e.stream == nil { // a handle is but a name, so the first is as good as later ones
		e.stream = stream
	}
	return e.ensureBoard(ctx, config.Replicas)
}

// await opens the stream, however long it takes until enough servers are
// there. Only what waiting cannot mend is an error.
func (e *engine) await(ctx context.Context, log *slog.Logger) error {
	began, said := time.Now(), time.Time{}
	for try := 0; ; try++ {
		once, cancel := context.WithTimeout(ctx, ensureTime)
		err := e.ensure(once)
		cancel()
		switch {
		case err == nil:
			if try > 0 {
				log.InfoContext(ctx, "the queue is there", "elapsed", time.Since(began).Round(time.Millisecond))
			}
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !passes(err):
			return err
		}
		if last := e.conn.LastError(); last != nil && !e.conn.IsConnected() {
			err = last // such as wrong credentials
		}
		if time.Since(began) > patience && time.Since(said) > sayEvery {
			said = time.Now()
			log.WarnContext(ctx, "waiting for the queue: nothing is scheduled until it is there", "err", err, "for", e.waitsFor())
		}
		fault.Sleep(ctx, time.Second/4)
	}
}

const (
	ensureTime = 2 * time.Second  // a server that has no leader yet does not answer at all
	patience   = 10 * time.Second // after which it is said that we wait: to choose a leader takes a while
	sayEvery   = 30 * time.Second // after which it is said again
)

// passes reports whether an error of the engine may pass by itself: nobody
// answers, a leader is being chosen, or too few servers are there.
func passes(err error) bool {
	if refused, ok := errors.AsType[*jetstream.APIError](err); ok {
		return refused.Code >= 500 || scarce(err)
	}
	return !errors.Is(err, nats.ErrConnectionClosed) // a queue without a leader, too
}
