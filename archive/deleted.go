package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"packseal.example/internal/evidence"
	"packseal.example/sink"
)

// deletion is a record that a sink had, and that was deleted there.
type deletion struct {
	Target
	sink.Deletion
}

// lost returns the error, fault.Deleted, for a slot whose record was deleted and of
// which no sink has another one.
func (f *found) lost() error {
	if len(f.manifest)+len(f.gap) > 0 {
		return nil
	}
	return f.missing()
}

// missing returns the errors for the sinks in which the slot's record was deleted,
// and into which nothing is written.
func (f *found) missing() error {
	var errs []error
	for _, d := range f.deleted {
		errs = append(errs, fmt.Errorf("sink %s: %w", d.Name, d.Err()))
	}
	return errors.Join(errs...)
}

// lacking returns the sinks into which a record of that name is to be written: they have
// none, not even one that was planted, and it was not deleted there.
func (f *found) lacking(name string, sinks []Target) []Target {
	have := f.of(name)
	return slices.DeleteFunc(slices.Clone(sinks), func(t Target) bool {
		return slices.ContainsFunc(have, func(h Target) bool { return h.Name == t.Name }) ||
			slices.ContainsFunc(f.deleted, func(d deletion) bool { return d.Name == t.Name }) ||
			slices.ContainsFunc(f.planted, func(p planting) bool { return p.Name == t.Name && p.name == name })
	})
}

// deletions asks a sink what was deleted, and reports the records among it. A gap
// record that a manifest has replaced need not be there.
func (v *verifying) deletions(ctx context.Context, t Target, slots map[string][]sink.Entry) error {
	found, err := sink.Deletions(ctx, t.Sink, "")
	if err != nil {
		return err
	}
	gone := make(map[string]sink.Deletion, len(found))
	v.gone[t.Name] = gone
	for _, d := range found {
		if s, _, ok := record(d.Key); !ok || !s.Planted(d.Stored) {
			gone[d.Key] = d
		}
	}
	for key, d := range gone {
		s, name, ok := evidence.ParseKey(key)
		_, replaced := gone[s.ManifestKey()]
		replaced = replaced || slices.ContainsFunc(slots[s.Dir()], func(e sink.Entry) bool { return e.Key == s.ManifestKey() })
		if ok && (name == evidence.ManifestName || name == evidence.GapName && !replaced || evidence.IsAck(name)) {
			v.report(t.Name, Deleted, key, "%s", d)
		}
	}
	return nil
}

// isGone reports whether a sink says that the key's object was deleted.
func (v *verifying) isGone(t Target, key string) bool {
	_, ok := v.gone[t.Name][key]
	return ok
}

// anyGone reports whether some sink says so.
func (v *verifying) anyGone(key string) bool {
	for _, gone := range v.gone {
		if _, ok := gone[key]; ok {
			return true
		}
	}
	return false
}
