// Package anchor has others vouch for the ledger: time-stamping authorities for when a
// checkpoint existed, witnesses for that the ledger has only grown. What they say is kept
// beside the ledger, so that whoever has the bucket, the host and the key can't turn it
// back unseen.
//
// One replica asks, soon after a commit and at most every hour of each; nothing waits for
// an answer. What failed is made up for by the next: one of a later checkpoint covers all
// before it.
package anchor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/stamp/tsa"
	"packseal.example/archive/ledger/tree"
	"packseal.example/archive/ledger/witness"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

const (
	defaultEvery = time.Hour
	retry        = 10 * time.Minute // after a failure, and how often is looked for what other replicas did
)

// Options say who is asked. Required fields are marked.
type Options struct {
	Ledger    *ledger.Ledger // required
	Stamps    []*tsa.Client
	Witnesses []*witness.Client
	Leads     func() bool   // whether this replica asks now; nil = it does
	Logger    *slog.Logger  // required
	Every     time.Duration // the least time between two of one authority or witness; default 1 hour
}

// Anchors asks, and knows how far the ledger is vouched for. Its methods may be called
// from many goroutines.
type Anchors struct {
	Options
	all []*anchor
}

// New returns the anchors of a ledger. It accesses nothing.
func New(o Options) *Anchors {
	if o.Every <= 0 {
		o.Every = defaultEvery
	}
	if o.Leads == nil {
		o.Leads = func() bool { return true }
	}
	a := &Anchors{Options: o}
	for _, c := range o.Stamps {
		a.all = append(a.all, newAnchor(a, authority{c}))
	}
	for _, c := range o.Witnesses {
		a.all = append(a.all, newAnchor(a, witnessed{c, o.Ledger}))
	}
	return a
}

// Run asks, until ctx ends.
func (a *Anchors) Run(ctx context.Context) {
	for ctx.Err() == nil && len(a.all) > 0 {
		changed := a.Ledger.Changed()
		a.Once(ctx)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(a.wait()):
		}
	}
}

// wait returns how long nobody's turn comes.
func (a *Anchors) wait() time.Duration {
	wait := min(retry, a.Every)
	for _, one := range a.all {
		if next := time.Until(one.next); next > 0 {
			wait = min(wait, next)
		}
	}
	return wait
}

// Once looks what is there, and asks each authority and witness whose turn it is.
func (a *Anchors) Once(ctx context.Context) {
	var wg sync.WaitGroup
	latest := sync.OnceValues(func() (ledger.Latest, error) { return a.Ledger.Latest(ctx) }) // one checkpoint for all
	for _, one := range a.all {
		wg.Go(func() { one.once(ctx, latest) })
	}
	wg.Wait()
}

// anchor is a voucher with what is known of it.
type anchor struct {
	*Anchors
	voucher
	log *slog.Logger

	// For once alone:
	last int64     // batch number of the last checkpoint that has an object that holds; -1 = none
	next time.Time // when it may be asked

	mu     sync.Mutex
	status Status
}

func newAnchor(a *Anchors, v voucher) *anchor {
	kind := "stamp"
	if v.witness() {
		kind = "witness"
	}
	return &anchor{Anchors: a, voucher: v, last: -1, log: a.Logger.With("anchor", kind, "name", v.name()), status: Status{Witness: v.witness(), Name: v.name()}}
}

func (a *anchor) once(ctx context.Context, latest func() (ledger.Latest, error)) {
	err := a.look(ctx)
	if err == nil && a.Leads() && !time.Now().Before(a.next) {
		err = a.obtain(ctx, latest)
	}
	if err != nil && ctx.Err() == nil {
		a.next = time.Now().Add(min(retry, a.Every))
		a.failed(err)
		a.log.WarnContext(ctx, "checkpoint not vouched for", "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
	}
}

// maxRead bounds how many objects of its own an anchor reads to find one that holds.
const maxRead = 16

// look takes up what is there: from before, or of other replicas. What lies at numbers
// that the ledger has not reached is not of a replica.
func (a *anchor) look(ctx context.Context) error {
	there, err := a.list(ctx, a.last+1)
	if err != nil {
		return err
	}
	var planted *ledger.Problem
	batches, left := a.Ledger.Status().Batches, maxRead
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(there))) {
		if n >= batches || n <= a.last {
			continue
		}
		if left <= 0 {
			break
		}
		c, err := a.Ledger.At(ctx, n)
		if reason := fault.Of(err); reason == fault.NotFound || reason == fault.Damaged {
			left-- // of no checkpoint, or of one by a key before
			continue
		}
		if err != nil {
			return err
		}
		keys := there[n][:min(left, len(there[n]))]
		v, err := a.stored(ctx, c, keys)
		if err != nil {
			return err
		}
		planted, left = cmp.Or(planted, v.planted), left-len(keys)
		if v.planted = planted; !v.at.IsZero() {
			a.last = n
			if next := v.at.Add(a.Every); next.Before(time.Now().Add(a.Every)) {
				a.next = next
			}
			a.succeeded(c, v)
			return nil
		}
	}
	return nil
}

// list returns the keys of its own in the first sink, by numbers from n on.
func (a *anchor) list(ctx context.Context, n int64) (map[int64][]string, error) {
	first, there := a.Ledger.Sinks[0], make(map[int64][]string)
	for e, err := range ledger.ListFrom(ctx, first, a.dir(), n) {
		if err != nil {
			return nil, fmt.Errorf("listing %s in sink %s: %w", a.dir(), first.Name, err)
		}
		if n, ok := a.number(e.Key); ok {
			there[n] = append(there[n], e.Key)
		}
	}
	for n, keys := range there {
		there[n] = plainFirst(keys)
	}
	return there, nil
}

// stored reads what lies under keys for a checkpoint until one holds, and returns that.
// What does not hold is a problem; where nothing holds, it is the zero vouched.
func (a *anchor) stored(ctx context.Context, c ledger.Latest, keys []string) (v vouched, err error) {
	var planted *ledger.Problem
	first := a.Ledger.Sinks[0]
	for _, key := range keys {
		raw, err := sink.ReadAll(ctx, first, key, maxObject)
		if err == nil {
			if v, err = a.check(raw, c); err == nil {
				v.planted = planted
				return v, nil
			}
		}
		if fault.Of(err) != fault.Damaged {
			return vouched{}, fmt.Errorf("reading %s from sink %s: %w", key, first.Name, err)
		}
		if planted == nil {
			planted = &ledger.Problem{Kind: ledger.Altered, Sink: first.Name, Key: key, Detail: err.Error()}
		}
	}
	if planted != nil {
		a.note(planted)
	}
	return vouched{planted: planted}, nil
}

// obtain asks, if there is something new.
func (a *anchor) obtain(ctx context.Context, latest func() (ledger.Latest, error)) error {
	c, err := latest()
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	if err != nil || c.N <= a.last {
		return err
	}
	objects, v, err := a.ask(ctx, c)
	if e, ok := errors.AsType[*witness.Ahead](err); ok && a.caughtUp(ctx, e.Size) {
		a.next = time.Time{} // by the next one, of the checkpoint that the ledger has by now
		return nil
	}
	if err != nil {
		a.alarm(err, c)
		return err
	}
	for _, o := range objects {
		planted, err := a.put(ctx, c, o)
		if err != nil {
			return err
		}
		v.planted = cmp.Or(v.planted, planted)
	}
	a.last, a.next = c.N, time.Now().Add(a.Every)
	a.succeeded(c, v)
	a.log.InfoContext(ctx, "checkpoint vouched for", "batch", c.N, "size", c.Checkpoint.Size, "at", v.at)
	return nil
}

// put stores what was got for a checkpoint: beside what has taken its place, unless that is
// as good, and of another replica. It returns what is not.
func (a *anchor) put(ctx context.Context, c ledger.Latest, o object) (planted *ledger.Problem, err error) {
	if err := a.Ledger.Add(ctx, o.key, o.raw); fault.Of(err) != fault.Conflict {
		return nil, err
	}
	all, err := a.list(ctx, c.N)
	if err != nil {
		return nil, err
	}
	there, err := a.stored(ctx, c, all[c.N][:min(maxRead, len(all[c.N]))])
	if err != nil || !there.at.IsZero() {
		return there.planted, err
	}
	return there.planted, a.Ledger.Add(ctx, tree.Beside(o.key, o.raw), o.raw)
}

// caughtUp reports whether the ledger has that many entries by now: others have appended
// since this replica looked.
func (a *anchor) caughtUp(ctx context.Context, size int64) bool {
	return ledger.Patiently(ctx, a.Ledger.Commit) == nil && a.Ledger.Status().Checkpoint.Size >= size
}

// alarm notes that a witness knows another ledger.
func (a *anchor) alarm(err error, c ledger.Latest) {
	p := ledger.Problem{Key: tree.CheckpointKey(c.N), Detail: err.Error()}
	if _, ok := errors.AsType[*witness.Ahead](err); ok {
		p.Kind = ledger.RolledBack
		a.note(&p)
	} else if _, ok := errors.AsType[*witness.Forked](err); ok {
		p.Kind = ledger.Forked
		a.note(&p)
	}
}
