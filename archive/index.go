package archive

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/trace"
	"packseal.example/scheduler"
	"packseal.example/sink"
)

// found is what the sinks hold of one slot: which of them have its manifest,
// and which a gap record. A slot can have both: a gap was recorded by one
// replica, or in one sink, while another had the report on its way. Then the
// manifest counts, as evidence is better than its absence.
type found struct{ manifest, gap []Target }

// index lists what is below prefix in every sink that can be asked, by slot.
// A sink that can't be is logged; it is an error when none can.
func (a *Archive) index(ctx context.Context, prefix string) (_ map[scheduler.Slot]*found, err error) {
	ctx, s := trace.Begin(ctx, "index")
	defer func() { s.End(err) }()
	slots := make(map[scheduler.Slot]*found)
	var errs []error
	for _, t := range a.Sinks {
		if err := list(ctx, t, prefix, slots); err != nil {
			errs = append(errs, err)
			a.Logger.WarnContext(ctx, "sink can't be listed", "sink", t.Name, "prefix", prefix, "reason", fault.Of(err), "err", err)
		}
	}
	if len(errs) == len(a.Sinks) {
		return slots, errors.Join(errs...)
	}
	return slots, nil
}

// list adds what one sink holds below prefix.
func list(ctx context.Context, t Target, prefix string, slots map[scheduler.Slot]*found) error {
	for e, err := range t.List(ctx, prefix, "") {
		if err != nil {
			return fmt.Errorf("listing sink %s: %w", t.Name, err)
		}
		s, name, ok := evidence.ParseKey(e.Key)
		if !ok || name != evidence.ManifestName && name != evidence.GapName {
			continue
		}
		f := slots[s]
		if f == nil {
			f = new(found)
			slots[s] = f
		}
		if name == evidence.ManifestName {
			f.manifest = append(f.manifest, t)
		} else {
			f.gap = append(f.gap, t)
		}
	}
	return nil
}

// manifest reads the slot's manifest from the first of the sinks that gives a
// good one. ok is false when none has one.
func manifest(ctx context.Context, from []Target, s scheduler.Slot) (m Manifest, raw []byte, t Target, err error) {
	err = sink.ErrNotExist
	for _, t = range from {
		if raw, err = sink.ReadAll(ctx, t, s.ManifestKey(), evidence.MaxRecord); err != nil {
			continue
		}
		if m, err = evidence.DecodeManifest(raw, s); err == nil {
			return m, raw, t, nil
		}
	}
	return m, nil, t, fmt.Errorf("reading the manifest of %s: %w", s, err)
}

// record reads what a slot's end was.
func (f *found) record(ctx context.Context, s scheduler.Slot) (Record, error) {
	if len(f.manifest) > 0 {
		m, _, _, err := manifest(ctx, f.manifest, s)
		return m.Record(), err
	}
	var err error
	for _, t := range f.gap {
		var raw []byte
		var g Gap
		if raw, err = sink.ReadAll(ctx, t, s.GapKey(), evidence.MaxRecord); err != nil {
			continue
		}
		if g, err = evidence.DecodeGap(raw, s); err == nil {
			return g.Record(), nil
		}
	}
	return Record{}, fmt.Errorf("reading the gap record of %s: %w", s, err)
}

// Records yields a pack's settled slots, the newest first. It stops at the
// first record that can't be read.
func (a *Archive) Records(ctx context.Context, source, pack string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		slots, err := a.index(ctx, evidence.PackDir(source, pack))
		if err != nil {
			yield(Record{}, err)
			return
		}
		newest := func(x, y scheduler.Slot) int { return y.Due.Compare(x.Due) }
		for _, s := range slices.SortedFunc(maps.Keys(slots), newest) {
			if s.Pack != pack {
				continue // an account group is a folder too
			}
			if r, err := slots[s].record(ctx, s); !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// History returns when the pack's settled slots fell due, in order, and takes
// up what metrics and status show of them.
func (a *Archive) History(ctx context.Context, source, pack string) ([]time.Time, error) {
	slots, err := a.index(ctx, evidence.PackDir(source, pack))
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(slots, func(s scheduler.Slot, _ *found) bool { return s.Pack != pack })
	if err := a.load(ctx, packID{source, pack}, slots); err != nil {
		return nil, err
	}
	due := make([]time.Time, 0, len(slots))
	for s := range slots {
		due = append(due, s.Due)
	}
	slices.SortFunc(due, time.Time.Compare)
	return due, nil
}

// load sets a pack's status and metrics to what the sinks hold. Of sealed
// slots only the latest manifest is read; gaps are read for their reasons.
func (a *Archive) load(ctx context.Context, id packID, slots map[scheduler.Slot]*found) error {
	var st tally
	var latest scheduler.Slot
	var records []Record
	for s, f := range slots {
		st.known = append(st.known, s.Due)
		if len(f.manifest) > 0 {
			if st.Sealed++; s.Due.After(latest.Due) {
				latest = s
			}
			continue
		}
		if len(f.gap) < len(a.Sinks) && a.Spool != nil { // Drain copies
			a.uncopied(s)
		}
		r, err := f.record(ctx, s)
		if err != nil {
			if fault.Of(err) != fault.Damaged {
				return err
			}
			r = Record{Slot: s, State: Gapped, Reason: fault.Damaged, Detail: err.Error()}
		}
		st.add(r)
		records = append(records, r)
	}
	if !latest.Due.IsZero() {
		r, err := slots[latest].record(ctx, latest)
		if err != nil {
			if fault.Of(err) != fault.Damaged {
				return err
			}
			r = Record{Slot: latest, State: Sealed} // what is wrong with it, verify says
		}
		st.LastSealed = r
		records = append(records, r)
	}
	a.loaded(id, slots, st)
	slices.SortFunc(records, func(x, y Record) int { return x.Due.Compare(y.Due) })
	for _, r := range records {
		a.tell(r)
	}
	return nil
}

// loaded makes what the sinks held a moment ago, and what has ended since, a
// pack's status. Metrics get the difference to what was counted before.
func (a *Archive) loaded(id packID, slots map[scheduler.Slot]*found, st tally) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.status[id]
	if now == nil || now.loaded {
		return
	}
	slices.SortFunc(st.known, time.Time.Compare)
	st.known = slices.Clone(st.known[max(0, len(st.known)-remembered):])
	for _, r := range now.early {
		if slots[r.Slot] == nil {
			st.note(r, true)
			st.add(r)
		}
	}
	st.Working, st.Trouble, st.loaded = now.Working, now.Trouble, true
	a.metrics.loaded(id, *now, st)
	*now = st
}
