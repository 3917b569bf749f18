package daemon

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/notify"
)

// Names in what replicas share. They are older than the words around them.
const (
	leaderLease = "teller" // whoever holds it sends the notices of all replicas
	sentNotes   = "told"   // what was sent
)

// leader makes the notices of one replica those of all.
type leader struct{ *services }

// IsLeader implements [notify.Replicas].
func (l leader) IsLeader() bool {
	lease := l.lease.Load()
	return lease != nil && lease.Held()
}

// Read implements [notify.Replicas].
func (l leader) Read(ctx context.Context) (map[string][]byte, error) {
	q, err := l.queue.get()
	if err != nil {
		return nil, err
	}
	return q.Notes(sentNotes).Read(ctx)
}

// Write implements [notify.Replicas].
func (l leader) Write(ctx context.Context, key string, value []byte) error {
	q, err := l.queue.get()
	if err != nil {
		return err
	}
	return q.Notes(sentNotes).Write(ctx, key, value)
}

// openNotices makes the notices, without channels.
func (s *services) openNotices() (*notify.Notices, error) {
	o := notify.Options{
		File: filepath.Join(s.cfg.StateDir, "notify.json"), Instance: s.Instance,
		Overdue: s.allOverdue, Digest: s.digest, Health: s.health,
		Problems: s.problems, Logger: s.Logger, Registerer: s.registries.process,
	}
	if s.cfg.Queue.Shared() {
		o.Replicas = leader{s}
	}
	return notify.New(o)
}

// problems counts what the last verification here found and what is wrong with the
// ledger. Of a kind that both tell of, it takes the higher number.
func (s *services) problems() map[string]int {
	found, counts := make(map[string]int), loadVerified(s.cfg.StateDir).counts()
	if l := s.ledger(); l != nil {
		for _, p := range l.Problems {
			found[p.Kind]++
		}
	}
	for kind, n := range found {
		counts[kind] = max(counts[kind], n)
	}
	return counts
}

// notify passes on a settled slot; it is an observer of the catalog. An imported
// report is no sign that packseal works again.
func (s *services) notify(e catalog.Event) {
	if e.Imported != "" {
		return
	}
	pack := s.named(e.Ref())
	event := newEvent(e.Record, pack)
	if e.State == evidence.Gapped {
		s.notices.Gap(event)
	} else {
		s.notices.Sealed(event)
	}
}

// notifyContainer passes on a report in another container than the one before.
func (s *services) notifyContainer(m evidence.Manifest, detail string) {
	e := newEvent(m.Record(), s.named(m.Slot().Ref()))
	e.Detail = detail
	s.notices.NewContainer(e)
}

// blocked passes on that a slot waits for an administrator, here and in the other
// replicas: whichever leads sends it.
func (s *services) blocked(slot evidence.Slot, err error, until time.Time) {
	pack := s.named(slot.Ref())
	e := notify.Event{
		Source: slot.Source, Pack: slot.Pack, Name: pack.Name, Labels: pack.Labels, Zone: pack.TimeZone, Due: slot.Due, At: time.Now().UTC().Truncate(time.Second), Reason: fault.Of(err),
		Detail: err.Error(), Hint: fault.Hint(err), Until: until.UTC(),
	}
	s.notices.Blocked(e)
	s.publish(news{Blocked: &e})
}

// named returns the pack with what the configuration in force says of it.
func (s *services) named(p evidence.PackRef) config.Entry {
	r := s.runtime.Load()
	if r == nil {
		return config.Entry{}
	}
	if e, ok := r.packs[p]; ok {
		return e
	}
	return r.cfg.Former(p, "")
}

// newEvent is a record as notices have it.
func newEvent(r evidence.Record, e config.Entry) notify.Event {
	return notify.Event{Source: r.Source, Pack: r.Pack, Name: e.Name, Labels: e.Labels, Zone: e.TimeZone, Due: r.Due, At: r.Settled, Reason: r.Reason, Detail: r.Detail}
}

// allOverdue returns an event for each pack that is overdue.
func (s *services) allOverdue() (events []notify.Event) {
	for _, e := range s.entries() {
		if due, ok := s.overdue(e); ok {
			events = append(events, notify.Event{
				Kind: notify.Overdue, Source: e.Pack.Source, Pack: e.Pack.Key(), Name: e.Pack.Name, Labels: e.Labels, Zone: e.TimeZone, Due: due, At: time.Now().UTC(),
			})
		}
	}
	return events
}

// stuckAfter is how long after its start a slot may be unpublished before
// something is stuck: the scheduler looks every minute at least.
const stuckAfter = 3 * time.Minute

// health returns nil when the daemon does its work, and nothing is overdue.
func (s *services) health() error {
	if err := s.scheduler.Ready(); err != nil {
		return err
	}
	entries := s.entries()
	for _, e := range entries {
		_, next := s.scheduler.Due(e.Pack.Source, e.Pack.Key())
		if start := e.Plan.Start(next); !next.IsZero() && time.Since(start) > stuckAfter {
			return fault.New(fault.Internal, "the scheduler or the queue is stuck: %s was to start at %s", e.Pack.Key(), start.Format(time.RFC3339))
		}
	}
	if overdue := s.allOverdue(); len(overdue) > 0 {
		return fault.New(fault.Deadline, "%d of %d packs overdue, %s since %s", len(overdue), len(entries), overdue[0].Pack, overdue[0].Due.Format(time.RFC3339))
	}
	return nil
}

// digest sums up the slots of the selected packs that fell due in (from, to].
func (s *services) digest(ctx context.Context, of notify.Match, from, to time.Time) (notify.Digest, error) {
	v := s.verified()
	d := notify.Digest{
		From: from, To: to, Gaps: []notify.Event{}, Verified: v.Success, Problems: v.counts(),
		Overdue: slices.DeleteFunc(s.allOverdue(), func(e notify.Event) bool { return !of.Pack(e.Source, e.Pack, e.Labels) }),
	}
	if l := s.ledger(); l != nil {
		d.Ledger = l.Line
	}
	for _, e := range s.entries() {
		if !of.Pack(e.Pack.Source, e.Pack.Key(), e.Labels) {
			continue
		}
		d.Packs++
		if err := s.sumUp(ctx, &d, e); err != nil {
			if ctx.Err() != nil {
				return d, err
			}
			d.Unread++
			s.Logger.WarnContext(ctx, "pack left out of digest", "source", e.Pack.Source, "pack", e.Pack.Key(), "reason", fault.Of(err), "err", err)
		}
		if _, next := s.scheduler.Due(e.Pack.Source, e.Pack.Key()); !next.IsZero() && (d.Next.IsZero() || next.Before(d.Next)) {
			d.Next = next
		}
	}
	return d, nil
}

// sumUp adds one pack's slots to the digest, all or none.
func (s *services) sumUp(ctx context.Context, d *notify.Digest, e config.Entry) error {
	sealed := 0
	var gaps []notify.Event
	within := catalog.Query{Source: e.Pack.Source, Pack: e.Pack.Key(), From: d.From.Add(1), To: d.To.Add(1)}
	for r, err := range s.catalog.Records(ctx, within) {
		switch {
		case err != nil:
			return fmt.Errorf("reading the records of %s: %w", e.Pack.Key(), err)
		case r.State == evidence.Gapped:
			event := newEvent(r, e)
			event.Kind = notify.Gap
			gaps = append(gaps, event)
		default:
			sealed++
		}
	}
	d.Sealed, d.Gaps = d.Sealed+sealed, append(d.Gaps, gaps...)
	return nil
}
