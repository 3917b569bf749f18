package archive

import (
	"context"
	"errors"
	"slices"
	"time"

	"packseal.example/archive/catalog"
	"packseal.example/archive/plans"
	"packseal.example/internal/evidence"
	"packseal.example/scheduler"
	"packseal.example/sink"
)

// lateness is how long after it fell due a slot of a pack that is not configured
// may be without a record.
const lateness = 24 * time.Hour

// plan reads a plan of a sink.
func (v *verifying) plan(ctx context.Context, t Target, key string) error {
	p, err := readPlan(ctx, t, key)
	if v.planned[key] = append(v.planned[key], t.Name); err == nil {
		v.plans[key] = p
	}
	if v.unread(err) {
		return nil
	}
	return v.unreadable(t, key, err)
}

// holes looks for slots that were due by the plans, and of which no sink has a
// record although they should be settled by now; see [scheduler.Expiry] for what
// is left out.
func (v *verifying) holes(ctx context.Context, a *Archive) error {
	now := time.Now()
	first, err := v.firsts(ctx, a)
	if err != nil {
		return err
	}
	keeping := plans.Keeping(v.plans)
	for ref, timeline := range plans.Timelines(v.plans) {
		within, ok := a.Within[ref]
		if !ok {
			within = lateness
		}
		from := first[ref]
		if old := now.Add(-scheduler.Expiry); from.After(old) {
			from = old
		}
		for due := range timeline.Between(from, now.Add(-within)) {
			s := ref.Slot(due)
			if !v.has(s) || v.raw[s] != nil || v.gaps[s] || v.lost[s] || v.anyGone(s.ManifestKey()) || v.anyGone(s.GapKey()) || v.pending(s) != "" {
				continue
			}
			if _, err := a.Record(ctx, catalog.Listed{Slot: s}); errors.Is(err, sink.ErrNotExist) { // else it was recorded meanwhile
				if names := keeping(s); names != nil && !slices.ContainsFunc(a.Sinks, func(t Target) bool { return slices.Contains(names, t.Name) }) {
					v.result.Elsewhere++ // a sink that is none of these was to have it
					continue
				}
				v.report("", Absent, s.ManifestKey(), "it was due by the plan in force then, and no record of it was found")
			} else if err != nil && !evidence.Unreadable(err) {
				return err
			}
		}
	}
	return nil
}

// firsts returns when the first slots of packs fell due that have a record.
func (v *verifying) firsts(ctx context.Context, a *Archive) (map[evidence.PackRef]time.Time, error) {
	first := make(map[evidence.PackRef]time.Time)
	for _, span := range v.Packs { // of which a part is selected
		due, err := a.oldest(ctx, span.Source, span.Key(), time.Time{})
		if err != nil {
			return nil, err
		}
		first[span.PackRef] = due
	}
	note := func(s evidence.Slot) {
		if t, ok := first[s.Ref()]; !ok || s.Due.Before(t) {
			first[s.Ref()] = s.Due
		}
	}
	for s := range v.raw {
		note(s)
	}
	for s := range v.gaps {
		note(s)
	}
	return first, nil
}

// vanished looks for slots that were seen in the archive before and of which no
// sink has the record any more.
func (v *verifying) vanished(ctx context.Context, a *Archive) error {
	for l, err := range a.Seen(ctx) {
		if err != nil {
			return err
		}
		key := l.ManifestKey()
		if l.State != evidence.Sealed {
			key, l.State = l.GapKey(), "" // a report may have taken its place
		}
		if !v.has(l.Slot) || v.raw[l.Slot] != nil || l.State == "" && v.gaps[l.Slot] || v.lost[l.Slot] || v.anyGone(key) {
			continue
		}
		if _, err := a.Record(ctx, l); errors.Is(err, sink.ErrNotExist) { // else it was recorded meanwhile
			v.lost[l.Slot] = true
			v.report("", Vanished, key, "it was seen in the archive, and no sink has it any more")
		} else if err != nil && !evidence.Unreadable(err) {
			return err
		}
	}
	return nil
}
