package daemon

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"packseal.example/archive/catalog"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// history is the scheduler's History: the catalog, and the archive itself for packs
// that are not scheduled any more, which the catalog does not watch.
type history struct{ *services }

// Settled implements [scheduler.History].
func (h history) Settled(ctx context.Context, s evidence.Slot) (bool, error) {
	if h.runtime.Load().has(s.Ref()) {
		return h.catalog.Settled(ctx, s)
	}
	for _, err := range h.list(ctx, s.Source, s.Pack, s.Due, s.Due.Add(time.Second)) {
		return err == nil, err
	}
	return false, nil
}

// FirstSettled implements [scheduler.History].
func (h history) FirstSettled(ctx context.Context, source, pack string) (time.Time, bool, error) {
	if h.runtime.Load().has(evidence.Ref(source, pack)) {
		return h.catalog.FirstSettled(ctx, source, pack)
	}
	for due, err := range h.list(ctx, source, pack, time.Time{}, time.Time{}) {
		return due, err == nil, err
	}
	return time.Time{}, false, nil
}

// LastSettled implements [scheduler.History].
func (h history) LastSettled(ctx context.Context, source, pack string, before time.Time, n int) (dues []time.Time, err error) {
	if h.runtime.Load().has(evidence.Ref(source, pack)) {
		return h.catalog.LastSettled(ctx, source, pack, before, n)
	}
	for due, err := range h.list(ctx, source, pack, time.Time{}, before) {
		if err != nil {
			return nil, err
		}
		dues = append(dues, due)
	}
	slices.Reverse(dues)
	return dues[:min(n, len(dues))], nil
}

// SettledBetween implements [scheduler.History].
func (h history) SettledBetween(ctx context.Context, source, pack string, after, until time.Time) iter.Seq2[time.Time, error] {
	if h.runtime.Load().has(evidence.Ref(source, pack)) {
		return h.catalog.SettledBetween(ctx, source, pack, after, until)
	}
	return h.list(ctx, source, pack, after.Truncate(time.Second).Add(time.Second), until.Truncate(time.Second).Add(time.Second))
}

// list yields when the pack's settled slots in [from, to) fell due, in order, as
// those sinks have them that can be asked.
func (h history) list(ctx context.Context, source, pack string, from, to time.Time) iter.Seq2[time.Time, error] {
	return func(yield func(time.Time, error) bool) {
		for l, err := range h.runtime.Load().archive.List(ctx, source, pack, from, to) {
			if errors.Is(err, catalog.ErrIncomplete) {
				return
			}
			if !yield(l.Due, err) || err != nil {
				return
			}
		}
	}
}

// leave records as gaps what is missing of packs that were taken out of the
// configuration while the daemon did not run. Of a pack that left longer ago than
// [scheduler.Expiry] records may have expired.
func (s *services) leave(ctx context.Context) {
	left, err := s.plans.Left(ctx)
	for try := 0; err != nil; try++ {
		if !fault.Sleep(ctx, fault.Backoff{}.Wait(try, err)) {
			return
		}
		left, err = s.plans.Left(ctx)
	}
	for ref, since := range left {
		if time.Since(since) < scheduler.Expiry {
			s.scheduler.Leave(ref.Source, ref.Key(), since)
		}
	}
}
