package retention

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"packseal.example/archive"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// turns is how many times an object is looked at before its lock ends.
const turns = 3

// maxFailures bounds how many locks of one sink may fail to be read or extended before
// the rest is left to the next day.
const maxFailures = 100

// lockSlack is how much earlier than asked a lock may end, see archive.Verify.
const lockSlack = 15 * time.Minute

// Extend extends the locks that end soon, in the sinks whose configuration says so
// (sink.LockTerms.Extend), and locks what has no lock there. It looks at a part of the
// archive, another one each day, so that each object has three turns before its
// lock ends. Locks of reports are extended to the end of keep at most, so that they
// can be pruned then. The error is for what failed; the rest is done all the same.
func Extend(ctx context.Context, sinks []archive.Target, keep evidence.Keep, now time.Time, log *slog.Logger) error {
	var errs []error
	for _, t := range sinks {
		terms := sink.LockTermsOf(t.Sink)
		if terms.Extend == 0 {
			continue
		}
		x := &extending{Target: t, LockTerms: terms, keep: keep, now: now}
		if err := x.run(ctx); err != nil {
			errs = append(errs, fmt.Errorf("extending locks in sink %s: %w", t.Name, err))
		}
		log.InfoContext(ctx, "locks extended", "sink", t.Name, "extended", x.extended, "read", x.read, "failed", x.failed)
	}
	return errors.Join(errs...)
}

// extending is one run in one sink.
type extending struct {
	archive.Target
	sink.LockTerms
	keep evidence.Keep
	now  time.Time

	mu                     sync.Mutex
	read, extended, failed int
	err                    error // the first failure
}

func (x *extending) run(ctx context.Context) error {
	var g errgroup.Group
	g.SetLimit(8)
	for e, err := range x.List(ctx, "", "") {
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		if sink.IsProbe(e.Key) || !x.today(e.Key) {
			continue
		}
		if x.tooMany() {
			break
		}
		g.Go(func() error { x.object(ctx, e); return nil })
	}
	_ = g.Wait()
	if x.err != nil {
		return fmt.Errorf("%d failed, such as: %w", x.failed, x.err)
	}
	return fault.Wrap(fault.Canceled, ctx.Err())
}

// today reports whether the object is in today's part.
func (x *extending) today(key string) bool {
	h := fnv.New64a()
	h.Write([]byte(key)) //nolint:errcheck // it can't fail
	parts := uint64(max(x.Extend/turns, 1))
	return h.Sum64()%parts == uint64(x.now.Unix()/86400)%parts
}

func (x *extending) tooMany() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.failed >= maxFailures
}

// object extends the lock of an object if that ends soon, or is not what is asked.
func (x *extending) object(ctx context.Context, e sink.Entry) {
	lock, err := sink.ReadLock(ctx, x.Sink, e.Key)
	until, extended := x.until(e.Key), false
	soon := lock.Until.Before(x.now.AddDate(0, 0, x.Extend)) || x.Fault(lock, e.ModTime, lockSlack) != ""
	if err == nil && soon && lock.Until.Before(until) {
		err = sink.ExtendLock(ctx, x.Sink, e.Key, until)
		extended = err == nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.read++
	if extended {
		x.extended++
	}
	if err != nil && !errors.Is(err, sink.ErrNotExist) {
		if x.failed++; x.err == nil {
			x.err = err
		}
	}
}

// until returns until when an object is to be locked.
func (x *extending) until(key string) time.Time {
	until := x.now.AddDate(0, 0, x.Days).UTC().Truncate(time.Second)
	s, name, ok := evidence.ParseKey(key)
	if !ok || x.keep == (evidence.Keep{}) || name == evidence.ManifestName || name == evidence.GapName || evidence.IsAck(name) {
		return until
	}
	if end := x.keep.End(s.Due).Truncate(time.Second); end.Before(until) {
		return end
	}
	return until
}
