package replica

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
)

// Lease is held by at most one replica at a time; when that one ends, dies or
// is cut off, another one takes it.
//
//	RetryPeriod     the holder renews so often, and others look
//	RenewDeadline   a holder that could not renew for so long no longer holds it
//	LeaseDuration   others take it when they saw no renewal for so long
//
// Between RenewDeadline and LeaseDuration nobody holds it: that time is for
// clocks that run at different speeds.
//
// A lease does not fence. Held may be true when it is asked and the lease lost
// before what follows takes effect: a process can be suspended in between. What
// is done under a lease has to be idempotent, such as writing the same value,
// or a notice that may come twice.
type Lease struct {
	timing Timing
	key    string
	name   string  // of this replica
	bucket *Bucket // nil: there are no other replicas
	log    *slog.Logger

	// For Run alone:
	seen  uint64    // the revision that was seen last,
	since time.Time // and when it was seen first

	mu      sync.Mutex
	renewed time.Time // zero = not held
}

// Lease returns the lease of that name. Nobody holds it before Run.
func (g *Group) Lease(name string) *Lease {
	l := &Lease{timing: g.o.Timing, key: "lease." + name, name: g.o.Name, log: g.o.Logger}
	if !g.o.Alone {
		l.bucket = g.o.Bucket
	}
	return l
}

// Held reports whether this replica holds the lease now. Alone, it always does.
func (l *Lease) Held() bool {
	if l.bucket == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	// The monotonic clock stands still while a machine is suspended; the wall
	// clock does not, but can be set.
	return !l.renewed.IsZero() && now.Sub(l.renewed) < l.timing.RenewDeadline &&
		now.Round(0).Sub(l.renewed.Round(0)).Abs() < l.timing.RenewDeadline
}

// Run acquires the lease when it is free, renews it, and releases it when ctx
// ends.
func (l *Lease) Run(ctx context.Context) {
	if l.bucket == nil {
		<-ctx.Done()
		return
	}
	for {
		held := l.Held()
		if err := l.try(ctx); err != nil && ctx.Err() == nil {
			l.log.DebugContext(ctx, "lease not renewed", "lease", l.key, "err", err)
		}
		if now := l.Held(); now != held {
			l.log.InfoContext(ctx, "lease changed hands", "lease", l.key, "member", l.name, "held", now)
		}
		if !fault.Sleep(ctx, l.timing.RetryPeriod) {
			break
		}
	}
	if l.Held() {
		l.set(time.Time{})
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		if err := l.bucket.kv.Delete(ending, l.key, jetstream.LastRevision(l.seen)); err != nil {
			l.log.DebugContext(ctx, "lease not released", "lease", l.key, "err", err)
		}
	}
}

// try renews the lease, or takes it if it is free or its holder has not renewed
// it. Of several that try one succeeds: each names the revision that it has seen.
func (l *Lease) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	began := time.Now()
	holder, revision, err := l.bucket.Get(ctx, l.key)
	if err != nil {
		return err
	}
	if revision != l.seen {
		l.seen, l.since = revision, began
	}
	ours := string(holder) == l.name
	if revision > 0 && !ours && began.Sub(l.since) < l.timing.LeaseDuration {
		l.set(time.Time{})
		return nil
	}
	revision, err = l.bucket.CompareAndSwap(ctx, l.key, []byte(l.name), revision)
	switch {
	case err == nil:
		l.seen, l.since = revision, began
		l.set(began)
	case IsConflict(err):
		if !ours { // another one was first
			l.set(time.Time{})
		}
		return nil // ours: another one has taken it, which the next Get says
	}
	// The outcome is unknown: the value may have been written. The next Get says so.
	return err
}

// set sets when the lease was renewed; zero: it is not held.
func (l *Lease) set(renewed time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = renewed
}
