package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// subjects returns the subjects of the slots that are kept now, sorted: those of
// the source with that token, or of all sources with "*".
func (s *stream) subjects(ctx context.Context, source string) ([]string, error) {
	kept, err := s.kept(ctx, source)
	return slices.Sorted(maps.Keys(kept)), err
}

// kept is subjects in no order, each with how many slots it has: one.
func (s *stream) kept(ctx context.Context, source string) (map[string]uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := s.handle.Info(ctx, jetstream.WithSubjectFilter(s.prefix.subjects()+source+".*"))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, fmt.Errorf("listing the queue: %w", err))
	}
	return info.State.Subjects, nil
}

// stored is a slot as the stream keeps it.
type stored struct {
	scheduler.Task
	subject   string
	seq       uint64
	published time.Time
}

const (
	readBatch = 1024 // how many slots are read before they are yielded
	readers   = 64   // how many are requested at once; there is no request for many that old servers know, too
)

// read yields the slots that are kept under the subjects, in their order.
// Those that are settled meanwhile are left out.
func (s *stream) read(ctx context.Context, subjects []string) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		for batch := range slices.Chunk(subjects, readBatch) {
			slots := make([]stored, len(batch))
			var reading errgroup.Group
			reading.SetLimit(readers)
			for i, subject := range batch {
				reading.Go(func() (err error) { slots[i], err = s.last(ctx, subject); return err })
			}
			if err := reading.Wait(); err != nil {
				yield(stored{}, fault.Wrap(fault.Unavailable, fmt.Errorf("reading the queue: %w", err)))
				return
			}
			for _, slot := range slots {
				if slot.seq > 0 && !yield(slot, nil) {
					return
				}
			}
		}
	}
}

// last returns the slot that is kept under the subject; one that is no longer
// there, or that a worker will drop because it is no slot, has no seq.
func (s *stream) last(ctx context.Context, subject string) (stored, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	msg, err := s.handle.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return stored{}, nil
	}
	if err != nil {
		return stored{}, err
	}
	slot := stored{subject: subject, seq: msg.Sequence, published: msg.Time}
	if json.Unmarshal(msg.Data, &slot.Task) != nil {
		return stored{}, nil
	}
	return slot, nil
}

// delete deletes a slot that is settled from the stream.
func (s *stream) delete(ctx context.Context, seq uint64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	err := s.handle.DeleteMsg(ctx, seq)
	if refused, ok := errors.AsType[*jetstream.APIError](err); ok && refused.Code == 404 || errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil // another replica was first
	}
	return err
}
