package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// JetStream is the Queue on an embedded NATS JetStream. Its folder holds
//
//	lock               held as long as the queue is open
//	jetstream/         the engine's store
//	jetstream.damaged/ the latest store that could not be opened, for whoever wants to know why
type JetStream struct {
	dir     string
	log     *slog.Logger
	engine  *engine
	metrics *metrics
	lock    *os.File
}

var _ Queue = (*JetStream)(nil)

// Open opens the queue in o.Dir, or makes it. A store that is damaged is put
// aside, with a warning, and a new one made. A folder that another process
// uses is a fault.Busy error. Call Close when all Work has returned.
func Open(ctx context.Context, o Options) (*JetStream, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the queue's folder: %w", err)
	}
	held, err := lock(o.Dir)
	if err != nil {
		return nil, err
	}
	q := &JetStream{dir: o.Dir, log: o.Logger, lock: held}
	if q.engine, err = startAnew(ctx, o); err != nil {
		held.Close()
		return nil, err
	}
	if q.metrics, err = newMetrics(o.Registerer, o.Sources, q.engine.stream); err != nil {
		return nil, errors.Join(err, q.Close())
	}
	return q, nil
}

// startAnew starts the engine, if need be on a new store.
func startAnew(ctx context.Context, o Options) (*engine, error) {
	e, err := start(ctx, o.Dir, o.maxBytes(), o.Logger)
	if err == nil || ctx.Err() != nil {
		return e, err
	}
	store := filepath.Join(o.Dir, "jetstream")
	aside := store + ".damaged"
	o.Logger.Warn("the queue's store is damaged and put aside", "err", err, "path", aside)
	if err := os.RemoveAll(aside); err != nil {
		return nil, fmt.Errorf("putting the queue's store aside: %w", err)
	}
	if err := os.Rename(store, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("putting the queue's store aside: %w", err)
	}
	return start(ctx, o.Dir, o.maxBytes(), o.Logger)
}

// Close ends the engine and waits until its files are closed. What is in the
// queue stays there.
func (q *JetStream) Close() error {
	q.engine.stop()
	return q.lock.Close()
}

// What the engine answers to a publish that it refuses.
const (
	codeFull    = 10077 // a limit is reached: for one subject, that is one message
	codeInHands = 10158 // the same message ID is being stored at this moment
)

// Publish implements Queue.
func (q *JetStream) Publish(ctx context.Context, t scheduler.Task) error {
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", t.ID(), err)
	}
	ack, err := q.engine.js.Publish(ctx, subjectOf(t.Source, t.Pack), data,
		jetstream.WithMsgID(t.ID()), jetstream.WithExpectStream(streamName))
	if err == nil {
		if ack.Duplicate {
			return scheduler.ErrDuplicate
		}
		return nil
	}
	refused, _ := errors.AsType[*jetstream.APIError](err)
	if refused != nil && refused.ErrorCode == codeInHands {
		return scheduler.ErrDuplicate
	}
	if refused != nil && refused.ErrorCode == codeFull {
		held, ok, lookup := q.Held(ctx, t.Source, t.Pack)
		switch {
		case lookup != nil:
			return lookup
		case ok && held.ID() == t.ID():
			return scheduler.ErrDuplicate
		case ok:
			return &scheduler.OverlapError{Held: held}
		}
		// The earlier slot has just been settled, or the whole store is
		// full: either way, trying again soon is right.
	}
	return fault.Wrap(fault.Unavailable, fmt.Errorf("publishing %s: %w", t.ID(), err))
}

// Held implements Queue.
func (q *JetStream) Held(ctx context.Context, source, pack string) (scheduler.Slot, bool, error) {
	msg, err := q.engine.stream.GetLastMsgForSubject(ctx, subjectOf(source, pack))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return scheduler.Slot{}, false, nil
	}
	var t scheduler.Task
	if err == nil {
		err = json.Unmarshal(msg.Data, &t)
	}
	if err != nil {
		return scheduler.Slot{}, false, fault.Wrap(fault.Unavailable, fmt.Errorf("looking up the slot of %s/%s: %w", source, pack, err))
	}
	return t.Slot, true, nil
}
