package s3

import (
	"context"

	"packseal.example/sink"
)

// Whether the store keeps the condition of a write.
const (
	unknown int32 = iota
	yes
	no
)

// maxProof is the largest object that is sent twice to find out.
const maxProof = 1 << 20

// prove finds out whether the store keeps the condition, with the first small
// object that it stored: the same write again must fail. A store that takes
// it ignores the header, and would let objects be replaced; here it replaced
// one by itself, which does no harm. Until this is known Put looks before it
// writes.
func (s *Sink) prove(ctx context.Context, key string, c sink.Content) error {
	if s.off() || s.honours.Load() != unknown || c.Size > maxProof {
		return nil
	}
	switch err := s.putObject(ctx, key, c); {
	case err == nil:
		s.honours.Store(no)
		return errUnconditional("ignores")
	case answerOf(err).exists():
		s.honours.CompareAndSwap(unknown, yes)
	}
	return nil // what else went wrong says nothing, and c is stored
}
