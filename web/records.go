package web

import (
	"context"
	"fmt"
	"time"

	"packseal.example/internal/evidence"
)

// find returns the current state of a pack.
func (s *Server) find(source, key string) (Pack, bool) {
	for _, p := range s.opts.Packs() {
		if p.Source == source && p.Key == key {
			return p, true
		}
	}
	return Pack{}, false
}

// records returns the first page of what the query selects. more reports whether
// there are others. With an error comes what was read before it.
func (s *Server) records(ctx context.Context, q Query) (list []evidence.Record, more bool, err error) {
	limit := q.Limit
	q.Limit++                  // one more shows whether there are others
	list = []evidence.Record{} // [] in JSON, not null
	for record, err := range s.opts.Records(ctx, q) {
		switch {
		case err != nil:
			return list, false, fmt.Errorf("reading the slots of %s/%s: %w", q.Source, q.Pack, err)
		case len(list) == limit:
			return list, true, nil
		}
		list = append(list, record)
	}
	return list, false, nil
}

// parseTime parses a time as it is written in keys or in JSON, or a date, which
// stands for midnight UTC. Empty text is the zero time.
func parseTime(text string) (t time.Time, err error) {
	if text == "" {
		return t, nil
	}
	for _, layout := range []string{evidence.DueFormat, time.RFC3339, time.DateOnly} {
		if t, err = time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return t, err
}
