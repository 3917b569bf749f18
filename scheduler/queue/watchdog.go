package queue

import (
	"cmp"
	"context"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/scheduler/replica"
)

// watchdog detects that a source's consumer hands nothing out any more. A server
// that was killed at the wrong moment can come back with one that is silent for
// good.
type watchdog struct {
	*common
	source string
	limit  *replica.Limit
}

// run checks the consumer until ctx ends. One that has let a slot wait for
// StallAfter, although there is room for it, is created anew; it then hands
// everything out again, and whoever already works on a slot meets the other one
// at the archive.
func (w *watchdog) run(ctx context.Context) {
	since := make(map[string]time.Time) // when a slot was first seen that nobody has
	for fault.Sleep(ctx, w.timing.StallCheck) {
		subjects, err := w.stream.subjects(ctx, consumer(w.source))
		if err != nil || len(subjects) == 0 {
			clear(since) // a server that does not answer is another matter
			continue
		}
		claims, _ := gatherClaims(ctx, w.group, w.stream.prefix)
		now, waiting, longest := time.Now(), make(map[string]time.Time), time.Duration(0)
		for _, subject := range subjects {
			_, paused := w.pauses.of(subject)
			if c := claims[subject]; c.Working || c.Again > 0 || paused {
				continue
			}
			waiting[subject] = cmp.Or(since[subject], now)
			longest = max(longest, now.Sub(waiting[subject]))
		}
		if since = waiting; !w.hasRoom(claims) {
			clear(since)
		} else if longest > w.timing.StallAfter {
			w.log.WarnContext(ctx, "consumer stalled: creating it anew",
				"source", w.source, "slots", len(since), "elapsed", longest.Round(time.Second))
			if err := w.stream.recreateConsumer(ctx, w.source); err != nil && ctx.Err() == nil {
				w.log.WarnContext(ctx, "consumer not created anew", "source", w.source, "err", err)
			}
			clear(since)
		}
	}
}

// hasRoom reports whether this replica could work on more than it does.
func (w *watchdog) hasRoom(claims map[string]claim) bool {
	n := 0
	for _, c := range claims {
		if c.Working && c.Member == w.group.Name() && c.Source == w.source {
			n++
		}
	}
	return n < w.limit.Share()
}
