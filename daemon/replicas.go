package daemon

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"packseal.example/archive/catalog"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/notify"
	"packseal.example/scheduler/queue"
)

const (
	// sweepEvery is the time between two sweeps for slots that other replicas have
	// settled without this one hearing of it.
	sweepEvery = 30 * time.Second
	// maxLookups bounds how many packs one sweep looks up in the sinks.
	maxLookups = 200
	// maxDetail bounds a gap's detail in a broadcast, in bytes; the archive has all
	// of it.
	maxDetail = 2000
)

// news is what replicas tell one another: a slot that is settled or, with Blocked,
// one that waits for an administrator or, with Discovered, that packs were listed. A
// replica that does not know that field takes it for a slot in no state, and ignores
// it.
type news struct {
	catalog.Event
	Blocked    *notify.Event `json:"blocked,omitempty"`
	Discovered bool          `json:"discovered,omitempty"`
}

// broadcast tells the other replicas of a slot that was settled here; it is an
// observer of the catalog.
func (s *services) broadcast(e catalog.Event) {
	if e.Local {
		e.Detail = strings.ToValidUTF8(e.Detail[:min(len(e.Detail), maxDetail)], "")
		s.publish(news{Event: e})
	}
}

// publish tells the other replicas, if there are any.
func (s *services) publish(n news) {
	if !s.cfg.Queue.Shared() {
		return
	}
	q, err := s.queue.get()
	if err != nil {
		return
	}
	b, err := json.Marshal(n)
	if err != nil {
		s.Logger.Warn("settled slot not broadcast", "source", n.Source, "pack", n.Pack, "due", n.Due, "err", err)
		return
	}
	q.Broadcast().Publish(b)
}

// received handles a broadcast of another replica. The archive decides; a broadcast
// only makes metrics, page and notices current at once.
func (s *services) received(data []byte) {
	var n news
	if err := json.Unmarshal(data, &n); err != nil {
		s.Logger.Warn("invalid broadcast", "err", err)
		return
	}
	switch {
	case n.Blocked != nil:
		s.notices.Blocked(*n.Blocked)
		return
	case n.Discovered:
		s.discovered.want()
		return
	}
	s.catalog.Observe(n.Event)
}

// follow runs beside the work on an open queue until ctx ends: it competes for
// the lead, and takes up what other replicas broadcast.
func (s *services) follow(ctx context.Context, q *queue.JetStream) error {
	stop, err := q.Broadcast().Subscribe(s.received)
	if err != nil {
		return err
	}
	defer stop()
	lease := q.Lease(leaderLease)
	s.lease.Store(lease)
	lease.Run(ctx)
	return nil
}

// sweep looks up, until ctx ends, what other replicas have settled while their
// broadcast was lost, and what their verifications found.
func (s *services) sweep(ctx context.Context) {
	lookups := make(map[evidence.PackRef]lookup)
	for s.cfg.Queue.Shared() && fault.Sleep(ctx, sweepEvery) {
		s.sweepOnce(ctx, lookups)
		if err := s.exchangeVerified(ctx); err != nil && ctx.Err() == nil {
			s.Logger.DebugContext(ctx, "verification not exchanged with other replicas", "reason", fault.Of(err), "err", err)
		}
	}
}

// lookup is when to look up a pack whose latest slot is not known.
type lookup struct {
	due  time.Time
	next time.Time     // by elapsed time
	wait time.Duration // after that
}

// sweepOnce looks up packs of which another replica counts more slots, and those
// whose latest slot is neither known nor in the queue: another replica has settled
// it, or it is lost. The longer it is missing, the less often it is looked up.
func (s *services) sweepOnce(ctx context.Context, lookups map[evidence.PackRef]lookup) {
	q, err := s.queue.get()
	if err != nil {
		return
	}
	queued, err := q.Pending(ctx)
	if err != nil {
		s.Logger.DebugContext(ctx, "slots of other replicas not looked up", "reason", fault.Of(err), "err", err)
		return
	}
	s.forget(lookups)
	now, n := time.Now(), 0
	for _, e := range s.entries() {
		source, key := e.Pack.Source, e.Pack.Key()
		due, _ := s.scheduler.Due(source, key)
		some, latest := s.catalog.Behind(source, key, due)
		l, ok := lookups[e.PackRef]
		switch {
		case !some && (!latest || queued(source, key)):
			delete(lookups, e.PackRef)
			continue
		case !ok || !l.due.Equal(due):
			l = lookup{due: due, next: now}
		}
		if now.Before(l.next) || n == maxLookups || ctx.Err() != nil {
			lookups[e.PackRef] = l
			continue
		}
		n++
		l.wait = min(max(2*l.wait, sweepEvery), time.Hour)
		l.next = now.Add(l.wait)
		lookups[e.PackRef] = l
		if err := s.catalog.Refresh(ctx, source, key); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "slots of other replicas not looked up", "source", source, "pack", key, "reason", fault.Of(err), "err", err)
			return
		}
	}
}

// forget removes packs that are no longer in the configuration.
func (s *services) forget(lookups map[evidence.PackRef]lookup) {
	r := s.runtime.Load()
	for p := range lookups {
		if !r.has(p) {
			delete(lookups, p)
		}
	}
}
