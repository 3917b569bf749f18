package daemon

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"packseal.example/archive/catalog"
	"packseal.example/config"
	"packseal.example/internal/diag"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler/queue"
	"packseal.example/web"
)

// packs returns what the page shows of every pack, those that are disabled last.
func (s *services) packs() []web.Pack {
	entries := s.entries()
	if r := s.runtime.Load(); r != nil {
		entries = slices.Concat(entries, r.idle)
	}
	all := make([]web.Pack, len(entries))
	for i, e := range entries {
		all[i] = s.pack(e)
	}
	return all
}

// spoolFull is the room, in bytes, with less of which no report may fit any more:
// reports have some MiB at most, as a rule.
const spoolFull = 16 << 20

// shared returns what is known of that which all packs share.
func (s *services) shared() web.Status {
	v := s.verified()
	st := web.Status{Sinks: []web.Sink{}, Verified: web.Verified{Passed: v.Success, Problems: v.counts(), Repaired: v.Repaired, AllRead: v.Place.Since}}
	if no := s.status.refused.Load(); no != nil {
		st.Refused = &web.Refusal{At: no.at, Why: no.err.Error(), Hint: fault.Hint(no.err)}
		if bad, ok := errors.AsType[*config.Error](no.err); ok {
			st.Refused.Why, st.Refused.Hint = bad.First()
		}
	}
	if r := s.runtime.Load(); r != nil {
		for _, sink := range r.cfg.Sinks {
			c := s.registries.sink(sink.Name).Contact(sink.Name)
			shown := web.Sink{Name: sink.Name, Reached: c.Reached, Down: c.Down}
			if c.Err != nil {
				shown.Why = c.Err.Error()
			}
			st.Sinks = append(st.Sinks, shown)
		}
		st.Listed = s.listed(r)
	}
	for r := range s.spool.Waiting() {
		st.Spool.Reports++
		st.Spool.Bytes += r.Size
	}
	var err error
	if st.Spool.Free, err = diag.Free(s.cfg.StateDir); err != nil {
		st.Spool.Free = -1
	}
	st.Spool.Full = err == nil && st.Spool.Free < spoolFull
	for _, p := range s.queue.pauses() {
		if p.Pack == "" {
			st.Paused = append(st.Paused, web.PausedSource{Source: p.Source, Pause: webPause(p)})
		}
	}
	return st
}

// maxListed is how many packs that are not kept are named for each source.
const maxListed = 20

// listed returns what the page shows of the packs that sources have: which are not
// kept, and why not all could be listed where that matters.
func (s *services) listed(r *runtime) (all []web.Listed) {
	for _, source := range slices.Sorted(maps.Keys(r.cfg.Sources)) {
		if !r.cfg.Enabled(source) {
			continue
		}
		st, judge := s.discovered.of(source), r.cfg.Judge(source)
		d := web.Listed{Source: source, At: st.Listed, Packs: len(st.Packs)}
		for _, p := range st.Packs {
			if judge(p.PackInfo).Verdict != config.NotKept {
				continue
			}
			if d.NotKept++; len(d.Some) < maxListed {
				d.Some = append(d.Some, web.ListedPack{Key: p.Ref(source).Key(), Name: p.Name})
			}
		}
		if err := st.Failing(); err != nil && r.cfg.NeedsListing(source) {
			d.Why = err.Error()
		}
		member, isMember := r.cfg.Member(source)
		d.Account = member.Name
		if st.Known() && (!isMember || d.NotKept > 0) || d.Why != "" { // accounts may be thousands
			all = append(all, d)
		}
	}
	return all
}

// records yields the records that the page asks for.
func (s *services) records(ctx context.Context, q web.Query) iter.Seq2[evidence.Record, error] {
	return s.marked(ctx, s.catalog.Records(ctx, catalog.Query{Source: q.Source, Pack: q.Pack, From: q.From, To: q.To, State: q.State, Limit: q.Limit}))
}

// gapAcks finds the acknowledgements that the page asks for in the sinks: they come
// after the records that the catalog holds.
func (s *services) gapAcks() func(context.Context, evidence.Slot) (*evidence.Ack, error) {
	return s.runtime.Load().archive.GapAcks()
}

// overdueAfter is how long after its start and its time-out a slot may be
// unsettled before it is overdue.
const overdueAfter = time.Minute

// overdue reports whether the pack's latest slot is past its time and not
// settled, and when it fell due. Page and notices go by it.
func (s *services) overdue(e config.Entry) (due time.Time, ok bool) {
	st := s.catalog.Status(e.Pack.Source, e.Pack.Key())
	due, _ = s.scheduler.Due(e.Pack.Source, e.Pack.Key())
	latest := later(st.LastSealed, st.LastGap)
	deadline := e.Plan.Start(due).Add(e.Plan.Timeout + overdueAfter)
	return due, latest.State != "" && latest.Due.Before(due) && time.Now().After(deadline)
}

// pack returns what the page shows of one pack.
func (s *services) pack(e config.Entry) web.Pack {
	source, key := e.Pack.Source, e.Pack.Key()
	st := s.catalog.Status(source, key)
	last, next := s.scheduler.Due(source, key)
	p := web.Pack{
		Source: source, Key: key, Name: e.Pack.Name, Labels: e.Labels, Schedule: e.Schedule, TimeZone: e.TimeZone, Sinks: e.Sinks,
		LastDue: last, NextDue: next, Until: e.Plan.Until, LastSealed: st.LastSealed.Settled,
		LastGap: st.LastGap.Due, LastReason: st.LastGap.Reason, LastObject: st.LastSealed.Object,
		LastSHA256: st.LastSealed.SHA256, LastSize: st.LastSealed.Size, Trouble: st.Trouble,
	}
	_, overdue := s.overdue(e)
	p.State = state(e, st, overdue, time.Now())
	if st.Complete {
		p.Counts = &web.Counts{Sealed: st.Sealed, Gaps: st.Gaps}
	}
	if pause, ok := s.queue.paused(source, key); ok {
		shown := webPause(pause)
		p.Paused = &shown
	}
	return p
}

// webPause is a pause as the page has it.
func webPause(p queue.Pause) web.Pause {
	return web.Pause{Since: p.Since, Until: p.Until, By: p.By, Why: p.Why}
}

// endedAttention is how long a gap that is a pack's last slot needs attention: no report
// will follow. The rule packseal:ended has the same time.
const endedAttention = 7 * 24 * time.Hour

// state returns the state that the page shows of a pack.
func state(e config.Entry, st catalog.Status, overdue bool, now time.Time) string {
	latest := later(st.LastSealed, st.LastGap)
	ended := e.Ended(now)
	switch {
	case e.Disabled:
		return web.StateDisabled
	case overdue:
		return web.StateOverdue
	case st.Working || st.Trouble != "":
		return web.StateWorking
	case latest.State == evidence.Gapped && !(ended && now.Sub(latest.Due) > endedAttention):
		return web.StateGap
	case ended && (st.Complete || latest.State != ""):
		return web.StateEnded
	case latest.State == evidence.Sealed:
		return web.StateSealed
	case !st.Complete:
		return web.StateReading
	}
	return web.StateWaiting
}

// next returns the pack whose slot falls due next, and when; zero = none does.
func (s *services) next() (pack config.Entry, due time.Time) {
	for _, e := range s.entries() {
		if _, next := s.scheduler.Due(e.Pack.Source, e.Pack.Key()); !next.IsZero() && (due.IsZero() || next.Before(due)) {
			pack, due = e, next
		}
	}
	return pack, due
}

// later returns the record of the later slot.
func later(x, y evidence.Record) evidence.Record {
	if y.Due.After(x.Due) {
		return y
	}
	return x
}

// turned returns the last sign of life of the scheduler; zero before the first.
func (d *Daemon) turned() time.Time {
	if s := d.services.Load(); s != nil {
		return s.scheduler.Turned()
	}
	return time.Time{}
}

// outlook returns the service manager's status line.
func (d *Daemon) outlook() string {
	s := d.services.Load()
	if s == nil || !s.queue.isOpen() {
		return "starting"
	}
	e, due := s.next()
	line := fmt.Sprintf("next slot due %s (%s/%s); packs: %d", due.In(e.Zone()).Format(time.RFC3339), e.Pack.Source, e.Pack.Key(), len(s.entries()))
	if d.status.refused.Load() != nil {
		line += "; the changed configuration is bad, the old one is in force"
	}
	return line
}
