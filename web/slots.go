package web

import (
	"context"
	"fmt"
	"time"

	"packseal.example/archive"
	"packseal.example/internal/evidence"
)

// find returns the pack of that source and key, as it stands.
func (s *Server) find(source, key string) (Pack, bool) {
	for _, p := range s.opts.Packs() {
		if p.Source == source && p.Key == key {
			return p, true
		}
	}
	return Pack{}, false
}

// slots reads at most limit settled slots of a pack that fell due before a
// time, or the newest when before is zero. more reports whether there are
// others. With an error comes what was read before it.
func (s *Server) slots(ctx context.Context, p Pack, before time.Time, limit int) (list []archive.Record, more bool, err error) {
	list = []archive.Record{} // an empty list is [] in JSON, not null
	for record, err := range s.opts.Slots(ctx, p.Source, p.Key) {
		switch {
		case err != nil:
			return list, false, fmt.Errorf("reading the slots of %s/%s: %w", p.Source, p.Key, err)
		case !before.IsZero() && !record.Due.Before(before):
			continue
		case len(list) == limit:
			return list, true, nil
		}
		list = append(list, record)
	}
	return list, false, nil
}

// parseBefore reads a due time as keys have it, or as JSON has it. Nothing is
// the zero time.
func parseBefore(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(evidence.DueFormat, text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}
