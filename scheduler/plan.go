package scheduler

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/period"
	"packseal.example/scheduler/cron"
)

// Plan is when one pack's slots fall due.
type Plan struct {
	Source   string
	Pack     string        // the pack's key
	Schedule cron.Schedule // see cron.Parse
	Jitter   time.Duration // slots start up to this long after they are due, each pack by its own fixed share; 0 = none
	CatchUp  time.Duration // a missed slot no older than this is made up for; 0 = never
	Timeout  time.Duration // how long after its start a slot may take; must be positive
	Since    time.Time     // no slot from before this is owed; zero = no bound
	Until    time.Time     // no slot falls due after this; zero = no bound
}

// Start returns when work on the slot that is due then begins: a share of
// Jitter later, in whole seconds, that is the pack's own and never changes.
func (p Plan) Start(due time.Time) time.Time { return due.Add(p.offset()) }

// equal reports whether two plans of a pack say the same.
func (p Plan) equal(q Plan) bool {
	return p.key() == q.key() && p.Schedule.Equal(q.Schedule) &&
		p.Jitter == q.Jitter && p.CatchUp == q.CatchUp && p.Timeout == q.Timeout && p.Since.Equal(q.Since) && p.Until.Equal(q.Until)
}

// offset is the pack's share of its jitter. A hash spreads packs evenly, and
// gives each the same share on every replica and after every restart.
func (p Plan) offset() time.Duration {
	sum := sha256.Sum256([]byte(p.Source + "\x00" + p.Pack))
	share, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:]), uint64(max(p.Jitter, 0)))
	return time.Duration(share).Truncate(time.Second)
}

// grace is how late the scheduler may look and still be in time: it looks at
// least every resync.
const grace = 2 * resync

// within reports whether the slot is young enough to be caught up with.
func (p Plan) within(due, now time.Time) bool { return now.Sub(due) <= p.CatchUp && p.CatchUp > 0 }

// fresh reports whether the slot's report may still be made: it is no older than
// CatchUp, or its start has just come or is to come.
func (p Plan) fresh(due, now time.Time) bool {
	return p.within(due, now) || now.Sub(p.Start(due)) <= grace
}

// bound is what a due time must be after so as not to be before Since.
func (p Plan) bound() time.Time {
	if p.Since.IsZero() {
		return p.Since
	}
	return p.Since.Add(-1)
}

// Latest returns the pack's latest slot that is owed at a time, and whether its
// report may still be made then: it is no older than CatchUp, or has just fallen
// due.
func (p Plan) Latest(now time.Time) (due time.Time, fresh, ok bool) {
	until := now
	if !p.Until.IsZero() {
		until = period.Earlier(now, p.Until)
	}
	due, ok = p.Schedule.Latest(period.Later(now.Add(-cron.LookBack), p.bound()), until)
	return due, ok && p.fresh(due, now), ok
}

// Next returns the pack's first slot that is owed and falls due after a time; zero when
// there is none.
func (p Plan) Next(after time.Time) time.Time {
	next := p.Schedule.Next(period.Later(after, p.bound()))
	if !p.Until.IsZero() && next.After(p.Until) {
		return time.Time{}
	}
	return next
}

// Ended reports whether Until has ended the schedule: nothing falls due after now.
func (p Plan) Ended(now time.Time) bool { return !p.Until.IsZero() && p.Next(now).IsZero() }

// packKey identifies a pack.
type packKey struct{ source, pack string }

func (p Plan) key() packKey { return packKey{p.Source, p.Pack} }

// slot returns the pack's slot of that due time.
func (p Plan) slot(due time.Time) evidence.Slot {
	return evidence.Slot{Source: p.Source, Pack: p.Pack, Due: due}
}
