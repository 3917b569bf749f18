package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// What the server answers to a publish that it refuses.
const (
	codeLimit     = 10077 // a limit is reached: for one subject, that is one message
	codeInProcess = 10158 // the same message ID is being stored at this moment
)

// Publish adds the task. A slot that is in the queue already, or was within the
// duplicate window and is not to be published again, is scheduler.ErrDuplicate. A
// pack whose earlier slot is still there is a *scheduler.OverlapError that names
// it.
func (q *JetStream) Publish(ctx context.Context, t scheduler.Task) error {
	err := q.publish(ctx, t, jetstream.WithMsgID(t.ID()))
	if !t.Again || !errors.Is(err, scheduler.ErrDuplicate) {
		return err
	}
	if held, ok, lookup := q.Held(ctx, t.Source, t.Pack); lookup != nil || ok && held.ID() == t.ID() {
		return cmp.Or(lookup, err)
	}
	return q.publish(ctx, t) // without an ID, it is not held against the former one
}

func (q *JetStream) publish(ctx context.Context, t scheduler.Task, o ...jetstream.PublishOpt) error {
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", t.ID(), err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	prefix := q.stream.prefix
	ack, err := q.stream.js.Publish(ctx, prefix.subject(t.Source, t.Pack), data,
		append(o, jetstream.WithExpectStream(prefix.stream()))...)
	if err == nil {
		if ack.Duplicate {
			return scheduler.ErrDuplicate
		}
		return nil
	}
	refused, _ := errors.AsType[*jetstream.APIError](err)
	if refused != nil && refused.ErrorCode == codeInProcess {
		return scheduler.ErrDuplicate
	}
	if refused != nil && refused.ErrorCode == codeLimit {
		held, ok, lookup := q.Held(ctx, t.Source, t.Pack)
		switch {
		case lookup != nil:
			return lookup
		case ok && held.ID() == t.ID():
			return scheduler.ErrDuplicate
		case ok:
			overlap := &scheduler.OverlapError{Held: held}
			if p, paused := q.Paused(t.Source, t.Pack); paused {
				overlap.Paused = p.String()
			}
			return overlap
		}
		// The earlier slot has just been settled, or the whole store is
		// full: either way, trying again soon is right.
	}
	return fault.Wrap(fault.Unavailable, fmt.Errorf("publishing %s: %w", t.ID(), err))
}

// Held returns the pack's slot that the queue holds, if any.
func (q *JetStream) Held(ctx context.Context, source, pack string) (evidence.Slot, bool, error) {
	s, err := q.stream.last(ctx, q.stream.prefix.subject(source, pack))
	if err != nil {
		return evidence.Slot{}, false, fault.Wrap(fault.Unavailable, fmt.Errorf("looking up the slot of %s/%s: %w", source, pack, err))
	}
	return s.Slot, s.seq > 0, nil
}
