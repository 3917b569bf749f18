package catalog

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Archive is what the catalog asks of the archive. Its methods may be called
// from many goroutines.
type Archive interface {
	// Identity names the sinks, in their order: of another archive, all is read
	// anew.
	Identity() string

	// List yields the pack's settled slots that are due in [from, to), in order,
	// from all sinks that can be asked. A zero from is the beginning, a zero to
	// the end. Where some sinks could not be asked, the last error is
	// [ErrIncomplete]; another one means that none could. It makes one request a
	// sink for each thousand objects or so.
	List(ctx context.Context, source, pack string, from, to time.Time) iter.Seq2[Listed, error]

	// Record reads the record of a slot: of its state, or, when that is empty,
	// whichever there is. The error is fs.ErrNotExist when all sinks say that
	// they have none; fault.Damaged, fault.Newer or fault.NotRestored when it can't be read.
	Record(ctx context.Context, l Listed) (evidence.Record, error)
}

// Listed is a settled slot as a listing shows it. A slot with both a manifest
// and a gap record is sealed.
type Listed struct {
	evidence.Slot
	State evidence.State
}

// ErrIncomplete says that a listing lacks what a sink holds that is down.
var ErrIncomplete = errors.New("not every sink could be listed")

// listing is a part of a pack's history on its way into the database.
type listing struct {
	*history
	p        *pack
	found    []Listed // not written yet
	low      int64    // due times from here on are not compared yet
	suspects []int64  // known, but not listed
}

// list makes what is known of a pack's slots due in [from, to) what the sinks
// hold. It did so as far as it could if the error is ErrIncomplete. The caller
// holds p.asking.
func (h *history) list(ctx context.Context, p *pack, from, to int64) error {
	_, a, err := h.current()
	if err != nil {
		return err
	}
	l := &listing{history: h, p: p, low: from}
	partial := false
	for found, err := range a.List(ctx, p.source, p.key, bound(from), bound(to)) {
		if errors.Is(err, ErrIncomplete) {
			partial = true
			break
		}
		if err != nil {
			return err
		}
		if l.found = append(l.found, found); len(l.found) == batch {
			if err := l.flush(found.Due.Unix()+1, func(*state) {}); err != nil {
				return err
			}
		}
	}
	err = l.flush(to, func(st *state) {
		if to >= st.knownFrom {
			st.knownFrom = min(st.knownFrom, from)
		}
	})
	if err == nil && !partial { // else a slot may be in the sink that is down
		err = l.lookFor(ctx, a)
	}
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if to == unlisted {
		if p.askedFrom = min(p.askedFrom, from); p.confirmed() {
			p.release()
		}
	}
	if partial {
		p.partial = true
		return fault.Wrap(fault.SinkUnavailable, ErrIncomplete)
	}
	if from == never && to == unlisted {
		p.partial = false
	}
	return nil
}

// bound is the end of a range as List takes it.
func bound(due int64) time.Time {
	if due == never || due == unlisted {
		return time.Time{}
	}
	return time.Unix(due, 0).UTC()
}

// flush writes what was found, which is all that there is in [l.low, high).
func (l *listing) flush(high int64, done func(*state)) error {
	err := l.change(l.p, func(ctx context.Context, s *store, st *state) error {
		known, err := s.between(ctx, st.id, l.low, high-1)
		if err != nil {
			return err
		}
		for _, found := range l.found {
			due, is := found.Due.Unix(), stateOf(found.State)
			was, ok := known[due]
			switch {
			case !ok:
				err = s.insert(ctx, st, thinRow(found))
			case was == sealed && is == gapped:
				continue // a suspect
			case was != is:
				_, err = s.put(ctx, st, thinRow(found))
			}
			if err != nil {
				return err
			}
			delete(known, due)
		}
		for due, was := range known {
			if was != gone {
				l.suspects = append(l.suspects, due)
			}
		}
		done(st)
		return nil
	})
	l.found, l.low = l.found[:0], high
	return err
}

// lookFor looks for the slots that were not listed as they are known. Most
// often they ended while the listing was on its way.
func (l *listing) lookFor(ctx context.Context, a Archive) error {
	slices.Sort(l.suspects)
	for _, due := range l.suspects {
		if err := l.history.lookFor(ctx, a, l.p, due); err != nil {
			return err
		}
	}
	return nil
}
