package archive

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"packseal.example/archive/catalog"
	"packseal.example/internal/evidence"
	"packseal.example/sink"
)

// Records yields the settled slots of the query's pack, the newest first, as the
// sinks hold them. It lists year by year, so that the first come soon and little
// memory is held, and reads each record as it is asked for. One that can't be
// read is its slot and state beside the error, fault.Damaged, fault.Newer or
// fault.NotRestored, and the next ones follow; any other error is the last. The
// query names a pack, and not Oldest.
func (r *reader) Records(ctx context.Context, q catalog.Query) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		n := 0
		for l, err := range r.newest(ctx, q) {
			switch {
			case err != nil:
				yield(evidence.Record{}, err)
				return
			case q.State != "" && q.State != l.State:
				continue
			}
			record, err := r.Record(ctx, l)
			if err != nil {
				record = evidence.Record{Slot: l.Slot, State: l.State}
			}
			if n++; !yield(record, err) || err != nil && !evidence.Unreadable(err) || n == q.Limit {
				return
			}
		}
	}
}

// newest yields what List does between the query's times, the newest first.
func (r *reader) newest(ctx context.Context, q catalog.Query) iter.Seq2[catalog.Listed, error] {
	return func(yield func(catalog.Listed, error) bool) {
		oldest, err := r.oldest(ctx, q.Source, q.Pack, q.From)
		if err != nil {
			yield(catalog.Listed{}, err)
			return
		}
		if oldest.IsZero() {
			return
		}
		year := time.Now().UTC().Year()
		if !q.To.IsZero() {
			year = min(year, q.To.UTC().Year())
		}
		for to := q.To; ; year-- {
			from := time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC)
			if !from.After(oldest) {
				from = oldest
			}
			var slots []catalog.Listed
			for l, err := range r.List(ctx, q.Source, q.Pack, from, to) {
				if err != nil && !errors.Is(err, catalog.ErrIncomplete) {
					yield(catalog.Listed{}, err)
					return
				}
				if err == nil {
					slots = append(slots, l)
				}
			}
			for _, l := range slices.Backward(slots) {
				if !yield(l, nil) {
					return
				}
			}
			if to = from; from.Equal(oldest) {
				return
			}
		}
	}
}

// oldest returns when the pack's first settled slot from then on fell due; zero =
// there is none.
func (r *reader) oldest(ctx context.Context, source, pack string, from time.Time) (time.Time, error) {
	for l, err := range r.List(ctx, source, pack, from, time.Time{}) {
		if err != nil && !errors.Is(err, catalog.ErrIncomplete) {
			return time.Time{}, err
		}
		return l.Due, nil
	}
	return time.Time{}, nil
}

// Read reads the record of a slot, decoded and as it is: the manifest, or else
// the gap record, from the first sink that has a good one. The error is
// sink.ErrNotExist when the slot is not settled; beside any other one, the Record
// says how it ended.
func (r *reader) Read(ctx context.Context, s evidence.Slot) (evidence.Record, []byte, error) {
	f, err := r.find(ctx, s)
	switch {
	case err != nil:
		return evidence.Record{}, nil, err
	case len(f.manifest)+len(f.gap) == 0:
		return evidence.Record{}, nil, cmp.Or(f.lost(), sink.NotExist(s.ManifestKey()))
	}
	record, _, raw, err := f.read(ctx, s)
	return r.mark(ctx, record), raw, err
}
