package catalog

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// lookFor makes what is known of a slot what the sinks hold under its keys.
func (h *history) lookFor(ctx context.Context, a Archive, p *pack, due int64) error {
	slot := evidence.Slot{Source: p.source, Pack: p.key, Due: time.Unix(due, 0).UTC()}
	r, err := a.Record(ctx, Listed{Slot: slot})
	lost := errors.Is(err, fs.ErrNotExist)
	if evidence.Unreadable(err) {
		return nil // it is there
	}
	if err != nil && !lost {
		return err
	}
	vanished := false
	err = h.change(p, func(ctx context.Context, s *store, st *state) (err error) {
		if lost {
			vanished, err = s.lose(ctx, st, due, gone)
			return err
		}
		if vanished, err = s.lose(ctx, st, due, stateOf(r.State)); err == nil {
			_, err = s.put(ctx, st, newRow(r))
		}
		return err
	})
	if err == nil && vanished {
		h.opts.Logger.WarnContext(ctx, "slot vanished from the archive", "source", p.source, "pack", p.key, "due", slot.Due, "state", r.State)
	}
	return err
}

// records reads what observers and status want of a pack's slots: the records
// of gaps, and that of the latest sealed slot. It tells the observers.
func (h *history) records(ctx context.Context, s *store, p *pack) error {
	h.mu.RLock()
	id := p.id
	h.mu.RUnlock()
	told := false
	q := &span{pack: id, from: never, to: unlisted, where: "state = 2 AND settled ISNULL AND reason ISNULL", oldest: true}
	for {
		page, err := h.page(ctx, s, q, batch)
		if err != nil {
			return err
		}
		for _, w := range page {
			r, err := h.read(ctx, p, w.row)
			if err != nil && !evidence.Unreadable(err) {
				return err
			}
			h.tell(p, r, false)
			told = true
		}
		if len(page) < batch {
			break
		}
	}
	h.mu.RLock()
	latest := p.lastSealed
	h.mu.RUnlock()
	if latest.due == never || !told && (!latest.thin || latest.reason != "") {
		return nil
	}
	r := latest.record(p.source, p.key)
	if latest.thin && latest.reason == "" {
		var err error
		if r, err = h.read(ctx, p, latest); err != nil && !evidence.Unreadable(err) {
			return err
		}
	}
	h.tell(p, r, false)
	return nil
}

// read reads a slot's record and keeps it. One that can't be read is returned
// with what is known of the slot, beside the error.
func (h *history) read(ctx context.Context, p *pack, w row) (evidence.Record, error) {
	r := row{due: w.due, state: w.state, thin: true}.record(p.source, p.key)
	_, a, err := h.current()
	if err != nil {
		return r, err
	}
	full, err := a.Record(ctx, Listed{r.Slot, r.State})
	switch {
	case err == nil:
		r, w = full, newRow(full)
	case errors.Is(err, fs.ErrNotExist):
		return r, errors.Join(err, h.lookFor(ctx, a, p, w.due))
	case evidence.Unreadable(err):
		w = row{due: w.due, state: w.state, thin: true, reason: string(fault.Of(err)), detail: err.Error()}
		if r.State == evidence.Gapped {
			r.Reason, r.Detail = fault.Of(err), err.Error()
		}
	default:
		return r, err
	}
	h.change(p, func(ctx context.Context, s *store, st *state) error { //nolint:errcheck // the database is replaced; the record is good
		_, err := s.put(ctx, st, w)
		return err
	})
	return r, err
}

// page returns the next rows of a query.
func (h *history) page(ctx context.Context, s *store, q *span, n int) ([]slot, error) {
	page, err := s.page(ctx, q, n)
	if err != nil {
		return nil, h.readFailed(ctx, s, err)
	}
	return page, nil
}
