package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Whoever can write to a sink can put a record there for a slot that is still to come,
// so that it is taken for settled and never made. Such a record was stored before anybody
// can have known how the slot ends (see [evidence.Slot.Planted]). It settles nothing: it is
// not read, adopted or copied, and where it was deleted again, nothing is missing. The
// slot is made, and goes to the other sinks; the report stays in the spool for the sink
// whose place is taken, until an administrator has moved the record away.

// errPlanted is in the errors of blocked.
var errPlanted = errors.New("planted")

// isPlanted reports whether an error is that planted records have all places.
func isPlanted(err error) bool {
	return fault.Of(err) == fault.Conflict && errors.Is(err, errPlanted)
}

// stuck logs and counts a slot that no sink has a place for.
func (a *Archive) stuck(ctx context.Context, s evidence.Slot, err error) {
	a.Metrics.failed(s, fault.Conflict)
	if a.Blocked != nil {
		a.Blocked(s, err, time.Time{})
	}
	a.Logger.ErrorContext(ctx, "slot blocked by a planted record", "source", s.Source, "pack", s.Pack, "due", s.Due.Format(time.RFC3339), "reason", fault.Conflict, "err", err, "hint", fault.Hint(err))
}

// planting is a record that was planted in a sink.
type planting struct {
	Target
	name  string
	entry sink.Entry
}

// why says what is wrong with it.
func why(s evidence.Slot, e sink.Entry) string {
	return fmt.Sprintf("it was stored at %s, before the slot fell due at %s: packseal does not take it for a record of the slot",
		e.ModTime.UTC().Format(time.RFC3339), s.Due.UTC().Format(time.RFC3339))
}

// blocked returns the errors, fault.Conflict, for those of the sinks in which a planted
// record has the place of the slot's own.
func (f *found) blocked(s evidence.Slot, name string, sinks []Target) error {
	var errs []error
	for _, p := range f.planted {
		if p.name == name && slices.ContainsFunc(sinks, func(t Target) bool { return t.Name == p.Name }) {
			errs = append(errs, fault.New(fault.Conflict, "sink %s has a %w %s: %s", p.Name, errPlanted, p.entry.Key, why(s, p.entry)).
				WithHint("copy it away as evidence, find out who wrote it, and have the bucket's owner remove it, with all its versions (docs/runbook.md#planted)"))
		}
	}
	return errors.Join(errs...)
}

// yield returns an error unless a record that a sink holds in the place of ours is
// somebody's who had the slot to settle: fault.Conflict, if it was planted.
func (r *reader) yield(ctx context.Context, t Target, s evidence.Slot, name string) error {
	f := new(found)
	if err := f.ask(ctx, t, s); err != nil {
		return r.unlisted(ctx, t, s.Dir(), err)
	}
	return f.blocked(s, name, []Target{t})
}

// maxSuspects bounds how many slots are remembered. With more of them, every slot is one.
const maxSuspects = 10_000

// suspect notes that a sink has a planted record of a slot.
func (r *reader) suspect(s evidence.Slot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.suspects) < maxSuspects {
		r.suspects[s] = true
	}
}

// rightful returns the sinks from which a slot's record of that name may be read: where
// some sink was seen to have a planted one, those that have another.
func (r *reader) rightful(ctx context.Context, s evidence.Slot, name string) ([]Target, error) {
	r.mu.Lock()
	suspect := r.suspects[s] || len(r.suspects) == maxSuspects
	r.mu.Unlock()
	if !suspect {
		return r.sinks, nil
	}
	f := new(found)
	var errs []error
	for _, t := range r.sinks {
		if err := f.ask(ctx, t, s); err != nil {
			errs = append(errs, r.unlisted(ctx, t, s.Dir(), err))
		}
	}
	if have := f.of(name); len(have) > 0 {
		return have, nil
	}
	return nil, errors.Join(errs...)
}

// plantedKind is the kind of problem that a planted record is: one that the ledger does not
// have, or none of its slot.
func plantedKind(unlogged bool) Kind {
	if unlogged {
		return Unlogged
	}
	return Malformed
}

// notePlanted notes the planted records among a slot's entries.
func (v *verifying) notePlanted(t Target, s evidence.Slot, entries []sink.Entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range entries {
		if _, _, ok := record(e.Key); ok && s.Planted(e.ModTime) {
			v.planted[place{t.Name, e.Key}] = why(s, e)
		}
	}
}

// isPlanted reports whether a sink's record of that key was planted.
func (v *verifying) isPlanted(t Target, key string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.planted[place{t.Name, key}] != ""
}

// tellPlanted reports planted records, by what the ledger has entries of; nil = that is
// not known.
func (v *verifying) tellPlanted(logged map[keyed]bool) {
	for at, why := range v.planted {
		v.report(at.sink, plantedKind(logged != nil && !logged[keyID(at.key)]), at.key, "%s", why)
	}
}
