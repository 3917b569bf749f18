package daemon

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/notify"
	"packseal.example/scheduler/replica"
)

// leader makes one replica's notices those of all.
type leader struct {
	*replica.Notes
	lease *replica.Lease
}

// IsLeader implements [notify.Replicas].
func (l leader) IsLeader() bool { return l.lease.Held() }

// openNotices gives the engine its notices, before anything is settled. The
// queue is there already.
func (e *engine) openNotices(reg prometheus.Registerer, o Options) error {
	entries, err := e.cfg.Channels(notify.Env{UserAgent: o.tool()})
	if err != nil {
		return err
	}
	var replicas notify.Replicas
	e.lease = e.queue.Lease("teller")
	if e.cfg.Queue.Shared() {
		replicas = leader{e.queue.Notes("told"), e.lease}
	}
	e.notices, err = notify.New(notify.Options{
		Replicas: replicas,
		File:     filepath.Join(e.cfg.StateDir, "notify.json"), Instance: o.Instance,
		Overdue: e.allOverdue, Digest: e.digest, Health: e.health,
		Problems: func() map[string]int { return loadVerified(e.cfg.StateDir).counts() },
		Logger:   o.Logger, Registerer: reg,
	})
	if err != nil {
		return err
	}
	e.notices.Update(entries)
	names := make(map[string]string)
	for _, entry := range e.entries {
		names[entry.Plan.Source+"/"+entry.Plan.Pack] = entry.Pack.Name
	}
	e.names = names
	return nil
}

// settled tells of a slot that has ended.
func (e *engine) settled(ev catalog.Event) {
	event := newEvent(ev.Record, e.names[ev.Source+"/"+ev.Pack])
	if ev.State == evidence.Gapped {
		e.notices.Gap(event)
	} else {
		e.notices.Sealed(event)
	}
	if ev.Local && e.cfg.Queue.Shared() {
		e.announce(ev)
	}
}

// newEvent is a record as notices speak of it.
func newEvent(r evidence.Record, name string) notify.Event {
	return notify.Event{Source: r.Source, Pack: r.Pack, Name: name, Due: r.Due, At: r.Settled, Reason: r.Reason, Detail: r.Detail}
}

// allOverdue returns an event for each pack that is overdue.
func (e *engine) allOverdue() (events []notify.Event) {
	for _, entry := range e.entries {
		if due, ok := e.overdue(entry); ok {
			events = append(events, notify.Event{
				Kind: notify.Overdue, Source: entry.Pack.Source, Pack: entry.Pack.Key(), Name: entry.Pack.Name, Due: due, At: time.Now().UTC(),
			})
		}
	}
	return events
}

// stuckAfter is how long after its start a slot may be unpublished before
// something stands still: the scheduler looks every minute at least.
const stuckAfter = 3 * time.Minute

// health returns nil when the daemon does its work, and nothing is overdue.
func (e *engine) health() error {
	if err := e.scheduler.Ready(); err != nil {
		return err
	}
	for _, entry := range e.entries {
		_, next := e.scheduler.Due(entry.Pack.Source, entry.Pack.Key())
		if start := entry.Plan.Start(next); time.Since(start) > stuckAfter {
			return fault.New(fault.Internal, "scheduler or queue stand still: %s was to start at %s", entry.Pack.Key(), start.Format(time.RFC3339))
		}
	}
	if overdue := e.allOverdue(); len(overdue) > 0 {
		return fault.New(fault.Deadline, "%d of %d packs overdue, %s since %s", len(overdue), len(e.entries), overdue[0].Pack, overdue[0].Due.Format(time.RFC3339))
	}
	return nil
}

// digest sums up the slots that fell due in (from, to], from the archive.
func (e *engine) digest(ctx context.Context, from, to time.Time) (notify.Digest, error) {
	v := loadVerified(e.cfg.StateDir)
	d := notify.Digest{
		From: from, To: to, Packs: len(e.entries), Gaps: []notify.Event{}, Overdue: e.allOverdue(),
		Verified: v.Success, Problems: v.counts(),
	}
	for _, entry := range e.entries {
		if err := e.sumUp(ctx, &d, entry); err != nil {
			if ctx.Err() != nil {
				return d, err
			}
			d.Unread++
			e.logger.WarnContext(ctx, "pack is not in the digest", "pack", entry.Pack.Key(), "source", entry.Pack.Source, "reason", fault.Of(err), "err", err)
		}
		if _, next := e.scheduler.Due(entry.Pack.Source, entry.Pack.Key()); d.Next.IsZero() || next.Before(d.Next) {
			d.Next = next
		}
	}
	return d, nil
}

// sumUp adds one pack's slots to the digest, all or none.
func (e *engine) sumUp(ctx context.Context, d *notify.Digest, entry config.Entry) error {
	sealed := 0
	var gaps []notify.Event
	for r, err := range e.Records(ctx, entry.Pack.Source, entry.Pack.Key()) {
		switch {
		case err != nil:
			return fmt.Errorf("reading the records of %s: %w", entry.Pack.Key(), err)
		case r.Due.After(d.To):
			continue
		case !r.Due.After(d.From): // the newest come first
			d.Sealed, d.Gaps = d.Sealed+sealed, append(d.Gaps, gaps...)
			return nil
		case r.State == evidence.Gapped:
			event := newEvent(r, entry.Pack.Name)
			event.Kind = notify.Gap
			gaps = append(gaps, event)
		default:
			sealed++
		}
	}
	d.Sealed, d.Gaps = d.Sealed+sealed, append(d.Gaps, gaps...)
	return nil
}
