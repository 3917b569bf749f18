package web

import (
	"context"
	"fmt"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
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

// ackTimeout bounds how long a response waits for acknowledgements, which are read
// from the sinks.
const ackTimeout = 3 * time.Second

// acks returns the acknowledgements of the gaps in a list of a pack's records, the
// newest first. Without an answer from the sinks they are left out.
func (s *Server) acks(ctx context.Context, list []evidence.Record) map[evidence.Slot]*evidence.Ack {
	ctx, stop := context.WithTimeout(ctx, ackTimeout)
	defer stop()
	acks, ackOf := make(map[evidence.Slot]*evidence.Ack), s.opts.GapAcks()
	for _, r := range list {
		if r.State != evidence.Gapped {
			continue
		}
		ack, err := ackOf(ctx, r.Slot)
		if err != nil {
			s.opts.Logger.WarnContext(ctx, "acknowledgements not shown", "source", r.Source, "pack", r.Pack, "reason", fault.Of(err), "err", err)
			break
		}
		if ack != nil {
			acks[r.Slot] = ack
		}
	}
	return acks
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
