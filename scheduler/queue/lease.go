package queue

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"packseal.example/internal/fault"
)

// term is the pace of a lease: between fence and over is the time for a holder
// that is cut off to notice, and for clocks that do not run alike.
type term struct {
	renew time.Duration // between two renewals
	fence time.Duration // who could not renew for so long does not hold it any more
	over  time.Duration // who was seen not to renew for so long loses it to another
}

var usualTerm = term{renew: 3 * time.Second, fence: 10 * time.Second, over: 20 * time.Second}

// Lease is for what one replica does for all: at most one of them holds it,
// and when that one ends or dies, another. Nobody's time of day matters.
type Lease struct {
	term
	key, member string
	board       jetstream.KeyValue // nil: there are no other replicas
	log         *slog.Logger

	// For Run alone:
	seen  uint64    // the revision that was seen last,
	since time.Time // and when it was seen first

	mu      sync.Mutex
	renewed time.Time // zero = not held
}

// Lease returns the lease of that name. It is held by nobody before Run.
func (q *JetStream) Lease(name string) *Lease {
	l := &Lease{term: usualTerm, key: "lease." + name, member: q.member, log: q.log}
	if q.engine.spread {
		l.board = q.engine.board
	}
	return l
}

// Held reports whether this replica holds the lease now. A holder that cannot
// reach the board says no before another one can say yes.
func (l *Lease) Held() bool {
	if l.board == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	// Elapsed time stands still while a machine is suspended; the time of day
	// does not, but can be set.
	return !l.renewed.IsZero() && now.Sub(l.renewed) < l.fence && now.Round(0).Sub(l.renewed.Round(0)).Abs() < l.fence
}

// Run takes the lease when it is free, renews it, and gives it back when ctx
// ends.
func (l *Lease) Run(ctx context.Context) {
	if l.board == nil {
		<-ctx.Done()
		return
	}
	for {
		held := l.Held()
		if err := l.turn(ctx); err != nil && ctx.Err() == nil {
			l.log.DebugContext(ctx, "a lease could not be looked after", "name", l.key, "err", err)
		}
		if now := l.Held(); now != held {
			l.log.InfoContext(ctx, "what one replica does for all has changed hands", "name", l.key, "member", l.member, "here", now)
		}
		if !fault.Sleep(ctx, l.renew) {
			break
		}
	}
	if l.Held() {
		l.hold(time.Time{})
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), once)
		defer cancel()
		if err := l.board.Delete(ending, l.key, jetstream.LastRevision(l.seen)); err != nil {
			l.log.DebugContext(ctx, "a lease was not given back", "name", l.key, "err", err)
		}
	}
}

// turn renews the lease, or takes it if it is free or its holder is silent. Of
// several that try, one succeeds: each names the revision that it has seen.
func (l *Lease) turn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, once)
	defer cancel()
	began := time.Now()
	holder, revision, err := peek(ctx, l.board, l.key)
	if err != nil {
		return err
	}
	if revision != l.seen {
		l.seen, l.since = revision, began
	}
	ours := string(holder) == l.member
	if revision > 0 && !ours && began.Sub(l.since) < l.over {
		l.hold(time.Time{})
		return nil
	}
	revision, err = swap(ctx, l.board, l.key, []byte(l.member), revision)
	return l.took(began, ours, revision, err)
}

// took notes what came of trying to have the lease, which stood there as ours
// or not. An error says nothing: the board may have taken it all the same,
// which the next turn finds.
func (l *Lease) took(began time.Time, ours bool, revision uint64, err error) error {
	switch {
	case err == nil:
		l.seen, l.since = revision, began
		l.hold(began)
	case beaten(err):
		if !ours { // somebody else was first
			l.hold(time.Time{})
		}
		return nil // ours: a server that lags behind has answered
	}
	return err
}

// hold sets from when on the lease is held; zero: it is not.
func (l *Lease) hold(from time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = from
}
