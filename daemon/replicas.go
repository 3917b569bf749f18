package daemon

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/internal/fault"
)

const (
	// sweepEvery is between two looks for slots that other replicas have ended
	// and this one has not heard of.
	sweepEvery = 30 * time.Second
	// maxLooks bounds how many packs one such look asks the sinks about.
	maxLooks = 200
	// maxDetail bounds what is said of a gap, in bytes; the archive has all of it.
	maxDetail = 2000
)

// announce tells the other replicas of a slot that ended here.
func (e *engine) announce(n catalog.Event) {
	n.Detail = strings.ToValidUTF8(n.Detail[:min(len(n.Detail), maxDetail)], "")
	b, err := json.Marshal(n)
	if err != nil {
		e.logger.Warn("other replicas were not told of a slot", "pack", n.Pack, "due", n.Due, "err", err)
		return
	}
	e.queue.Broadcast().Publish(b)
}

// heard counts a slot that another replica says it has ended. The archive
// decides; what is heard only makes metrics, page and notices true at once.
func (e *engine) heard(data []byte) {
	var n catalog.Event
	if err := json.Unmarshal(data, &n); err != nil {
		e.logger.Warn("what a replica announced is no record of a slot", "err", err)
		return
	}
	e.catalog.Observe(n)
}

// follow keeps what this replica shows true while others end slots, until ctx
// ends: by what they announce, and, should that be lost, from the archive.
func (e *engine) follow(ctx context.Context) error {
	if !e.cfg.Queue.Shared() {
		return nil
	}
	stop, err := e.queue.Broadcast().Subscribe(e.heard)
	if err != nil {
		return err
	}
	defer stop()
	doubts := make(map[int]doubt)
	for fault.Sleep(ctx, sweepEvery) {
		e.sweep(ctx, doubts)
	}
	return nil
}

// doubt is what the sweep knows of a pack whose latest slot it does not find.
type doubt struct {
	due  time.Time
	next time.Time     // when to ask again, by the reading of elapsed time
	wait time.Duration // after that
}

// sweep asks the sinks about packs whose latest slot is neither known here nor
// in the queue: somebody has ended it, or nobody ever will. Then it asks less
// and less often.
func (e *engine) sweep(ctx context.Context, doubts map[int]doubt) {
	holds, err := e.queue.Pending(ctx)
	if err != nil {
		e.logger.DebugContext(ctx, "slots of other replicas are not looked for now", "err", err)
		return
	}
	now, looks := time.Now(), 0
	for i, entry := range e.entries {
		due := e.unaccounted(entry)
		d, ok := doubts[i]
		switch {
		case due.IsZero() || holds(entry.Pack.Source, entry.Pack.Key()):
			delete(doubts, i)
			continue
		case !ok || !d.due.Equal(due):
			d = doubt{due: due, next: now}
		}
		if now.Before(d.next) || looks == maxLooks || ctx.Err() != nil {
			doubts[i] = d
			continue
		}
		looks++
		d.wait = min(max(2*d.wait, sweepEvery), time.Hour)
		d.next = now.Add(d.wait)
		doubts[i] = d
		if err := e.catalog.Refresh(ctx, entry.Pack.Source, entry.Pack.Key()); err != nil && ctx.Err() == nil {
			e.logger.WarnContext(ctx, "slots of other replicas can't be looked for", "pack", entry.Pack.Key(), "source", entry.Pack.Source, "reason", fault.Of(err), "err", err)
			return
		}
	}
}

// unaccounted returns the due time of the pack's latest slot, if this replica
// does not know how it ended; zero otherwise.
func (e *engine) unaccounted(entry config.Entry) time.Time {
	source, key := entry.Pack.Source, entry.Pack.Key()
	due, _ := e.scheduler.Due(source, key)
	if due.IsZero() || !e.catalog.Behind(source, key, due) {
		return time.Time{}
	}
	return due
}
