package archive

import (
	"context"
	"slices"

	"packseal.example/internal/evidence"
)

// Which sinks keep the reports of a pack is the configuration's choice, and may change
// at any time. What a report's manifest says of it holds for ever: there the sink is
// owed the report, and no other is. A choice that comes later adds sinks to it when the
// slot is settled once more, and takes none away.

// keeping returns the names of the sinks that are to keep a pack's reports; nil = all.
func (r *reader) keeping(ctx context.Context, p evidence.PackRef) []string {
	if r.keep == nil {
		return nil
	}
	return r.keep(ctx, p)
}

// chosen returns the sinks with those names; nil = all.
func (r *reader) chosen(names []string) []Target {
	if names == nil {
		return r.sinks
	}
	return slices.DeleteFunc(slices.Clone(r.sinks), func(t Target) bool { return !slices.Contains(names, t.Name) })
}

// wanting returns the sinks that are to have a report: those that its manifest names,
// where there is one, and those of the configuration.
func (r *reader) wanting(ctx context.Context, p evidence.PackRef, m *evidence.Manifest) []Target {
	names := r.keeping(ctx, p)
	switch {
	case m == nil || names == nil:
	case len(m.Sinks) == 0:
		names = nil
	default:
		names = slices.Concat(names, m.Sinks)
	}
	return r.chosen(names)
}
