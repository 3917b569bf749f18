package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
)

// stall says when a consumer is taken for one that hands nothing out any more.
type stall struct {
	look  time.Duration // between two looks
	after time.Duration // that nobody has had a slot although there was room for it
}

// usualStall is the one outside tests: longer than any slot is put back for, so
// that one whose replica has died since is not mistaken for a stall.
var usualStall = stall{look: time.Minute, after: 10 * time.Minute}

// rouse sees to it that the source's slots are handed out, until ctx ends. A
// server that was killed at the wrong moment can come back with a consumer that
// is silent for good. Then it is made anew, and hands everything out again:
// who is at work on a slot meets the other one at the archive.
func (w *worker) rouse(ctx context.Context) {
	since := make(map[string]time.Time) // when a slot was first seen with nobody
	for fault.Sleep(ctx, w.stall.look) {
		subjects, err := w.engine.subjects(ctx, w.source)
		if err != nil || len(subjects) == 0 {
			clear(since) // an engine that does not answer is somebody else's trouble
			continue
		}
		claims, _ := w.ask(ctx)
		now, still, longest := time.Now(), make(map[string]time.Time), time.Duration(0)
		for _, s := range subjects {
			_, paused := w.pauses.of(s)
			if c := claims[s]; c.Working || c.Again > 0 || paused {
				continue
			}
			if still[s] = now; !since[s].IsZero() {
				still[s] = since[s]
			}
			longest = max(longest, now.Sub(still[s]))
		}
		if since = still; !w.room(claims) {
			clear(since)
		} else if longest > w.stall.after {
			w.log.WarnContext(ctx, "the queue hands out no slots, although there is room for them: its consumer is made anew",
				"source", w.source, "slots", len(since), "elapsed", longest.Round(time.Second))
			if err := w.engine.renew(ctx, w.source); err != nil && ctx.Err() == nil {
				w.log.WarnContext(ctx, "the consumer could not be made anew", "source", w.source, "err", err)
			}
			clear(since)
		}
	}
}

// room reports whether this replica could work on more than it does.
func (w *worker) room(claims map[string]claim) bool {
	n := 0
	for _, c := range claims {
		if c.Working && c.Member == w.member && c.Source == w.source {
			n++
		}
	}
	return n < w.held()
}

// renew makes the source's consumer anew.
func (e *engine) renew(ctx context.Context, source string) error {
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	err := e.js.DeleteConsumer(asking, e.prefix.stream(), token(source))
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("removing a consumer: %w", err)
	}
	return e.consume(ctx, source)
}
