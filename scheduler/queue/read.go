package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// subjects returns where slots are kept at this moment, in order: those of one
// source, or of all when it is empty.
func (e *engine) subjects(ctx context.Context, source string) ([]string, error) {
	kept, err := e.kept(ctx, source)
	return slices.Sorted(maps.Keys(kept)), err
}

// kept is subjects in no order, with how many slots each has: one.
func (e *engine) kept(ctx context.Context, source string) (map[string]uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	filter := e.prefix.subjects() + ">"
	if source != "" {
		filter = e.prefix.subjects() + token(source) + ".*"
	}
	info, err := e.stream.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, fmt.Errorf("listing the queue: %w", err))
	}
	return info.State.Subjects, nil
}

// stored is a slot as the store has it.
type stored struct {
	scheduler.Task
	subject   string
	seq       uint64
	published time.Time
}

// readBatch is how many messages are asked for before the answers are waited
// for. The engine has no request for many that old servers know, too.
const readBatch = 256

// read yields the slots that are kept under the subjects, in their order.
// Those that are settled meanwhile are left out.
func (e *engine) read(ctx context.Context, subjects []string) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		if len(subjects) == 0 {
			return
		}
		inbox, answers := e.conn.NewInbox(), make(chan *nats.Msg, 2*readBatch)
		sub, err := e.conn.ChanSubscribe(inbox+".*", answers)
		if err != nil {
			yield(stored{}, fault.Wrap(fault.Unavailable, fmt.Errorf("reading the queue: %w", err)))
			return
		}
		defer sub.Unsubscribe() //nolint:errcheck // the connection is gone, and the subscription with it
		for batch := range slices.Chunk(subjects, readBatch) {
			slots, err := e.readSome(ctx, batch, inbox, answers)
			if err != nil {
				yield(stored{}, fault.Wrap(fault.Unavailable, fmt.Errorf("reading the queue: %w", err)))
				return
			}
			for _, s := range slots {
				if s.seq > 0 && !yield(s, nil) {
					return
				}
			}
		}
	}
}

// readSome reads one batch; a slot that is not there any more has no seq.
func (e *engine) readSome(ctx context.Context, subjects []string, inbox string, answers <-chan *nats.Msg) ([]stored, error) {
	for i, s := range subjects {
		ask, err := json.Marshal(map[string]string{"last_by_subj": s})
		if err != nil {
			return nil, err
		}
		if err := e.conn.PublishRequest(e.api+"STREAM.MSG.GET."+e.prefix.stream(), fmt.Sprint(inbox, ".", i), ask); err != nil {
			return nil, err
		}
	}
	patience := time.NewTimer(askTime)
	defer patience.Stop()
	slots := make([]stored, len(subjects))
	for range subjects {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-patience.C:
			return nil, errors.New("no answer")
		case msg := <-answers:
			if msg.Header.Get("Status") != "" {
				return nil, nats.ErrNoResponders
			}
			i, err := strconv.Atoi(strings.TrimPrefix(msg.Subject, inbox+"."))
			if err != nil || i >= len(slots) {
				return nil, fmt.Errorf("an answer to %s", msg.Subject)
			}
			if slots[i], err = decodeStored(msg.Data); err != nil {
				return nil, err
			}
		}
	}
	return slots, nil
}

// codeNoMessage is what the engine answers when nothing is kept there.
const codeNoMessage = 10037

// decodeStored reads what the engine answers.
func decodeStored(data []byte) (s stored, err error) {
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return s, err
	}
	if answer.Error != nil {
		if answer.Error.ErrorCode == codeNoMessage {
			return s, nil
		}
		return s, answer.Error
	}
	m := answer.Message
	if err := json.Unmarshal(m.Data, &s.Task); err != nil {
		return stored{}, nil // the worker that gets it will say so, and drop it
	}
	s.subject, s.seq, s.published = m.Subject, m.Seq, m.Time
	return s, nil
}

// drop takes a slot that is settled out of the store.
func (e *engine) drop(ctx context.Context, seq uint64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	err := e.stream.DeleteMsg(ctx, seq)
	if refused, ok := errors.AsType[*jetstream.APIError](err); ok && refused.Code == 404 || errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil // somebody else was faster
	}
	return err
}
