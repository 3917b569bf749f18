package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"packseal.example/internal/fault"
)

const (
	workers = 4   // packs whose history is read at once
	window  = 200 // slots that a start lists again; with their reports fewer keys than one answer of a store has
	batch   = 256 // slots that are written or read at once
)

// history reads the packs' histories from the archive, in the background.
type history struct {
	*Catalog
	broken chan *store   // a database that failed
	wake   chan struct{} // the queue has something

	queueMu sync.Mutex
	queue   []*pack        // that are to be seen to
	queued  map[*pack]bool // those in it
	tries   map[*pack]int  // that failed, one after another
}

func newHistory(c *Catalog) *history {
	return &history{Catalog: c, broken: make(chan *store, 1), wake: make(chan struct{}, 1), queued: make(map[*pack]bool), tries: make(map[*pack]int)}
}

// add puts packs at the end of the queue.
func (h *history) add(packs ...*pack) {
	h.queueMu.Lock()
	defer h.queueMu.Unlock()
	for _, p := range packs {
		if !h.queued[p] {
			h.queued[p] = true
			h.queue = append(h.queue, p)
		}
	}
	h.signal()
}

// signal wakes a worker.
func (h *history) signal() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// next takes a pack off the queue; nil when ctx ends.
func (h *history) next(ctx context.Context) *pack {
	for ctx.Err() == nil {
		if p := h.take(); p != nil {
			return p
		}
		select {
		case <-h.wake:
		case <-ctx.Done():
		}
	}
	return nil
}

// take takes a pack off the queue, if there is one.
func (h *history) take() *pack {
	h.queueMu.Lock()
	defer h.queueMu.Unlock()
	if len(h.queue) == 0 {
		return nil
	}
	p := h.queue[0]
	h.queue[0] = nil
	h.queue = h.queue[1:]
	delete(h.queued, p)
	if len(h.queue) > 0 {
		h.signal() // another worker
	}
	return p
}

// run is Catalog.Run.
func (h *history) run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for p := h.next(ctx); p != nil; p = h.next(ctx) {
				h.attend(ctx, p)
			}
		})
	}
	wg.Go(func() { h.check(ctx) })
	wg.Go(func() { h.replace(ctx) })
	wg.Wait()
	return nil
}

// attend takes one step with a pack, and puts it back in the queue if another
// one is to follow.
func (h *history) attend(ctx context.Context, p *pack) {
	more, err := h.step(ctx, p)
	if ctx.Err() != nil {
		h.add(p) // for the next Run
		return
	}
	h.queueMu.Lock()
	try, level := h.tries[p], slog.LevelDebug
	if h.tries[p]++; err == nil {
		delete(h.tries, p)
	} else if len(h.tries) == 1 && try == 0 {
		level = slog.LevelWarn // a sink that is down is in the way of all packs
	}
	h.queueMu.Unlock()
	switch {
	case err != nil:
		wait := fault.Backoff{}.Wait(try, err)
		h.opts.Logger.Log(ctx, level, "history not read", "source", p.source, "pack", p.key, "reason", fault.Of(err), "err", err, "retry_in", wait.Round(time.Second))
		time.AfterFunc(wait, func() { h.add(p) })
	case more:
		h.add(p)
	}
}

// step tells the observers of what the database holds of a pack, once, lists a
// part of its history, and reads the records of gaps and of the latest sealed
// slot. It reports whether more of the history is to be listed.
func (h *history) step(ctx context.Context, p *pack) (more bool, err error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	s, _, err := h.current()
	h.mu.RLock()
	known, watched, replay := p.state, p.watched, !p.replayed
	listed, partial := p.askedFrom != unlisted, p.partial
	h.mu.RUnlock()
	if err != nil || !watched {
		return false, nil // it is queued again when there is a database, or when it is watched
	}
	if replay {
		if err := h.replay(ctx, s, p, known); err != nil {
			return false, err
		}
	}
	switch {
	case known.knownFrom != unlisted && (!listed || partial && known.complete()):
		err = h.recent(ctx, s, p, known, unlisted)
	case !known.complete():
		err = h.extend(ctx, p, known)
	}
	if err == nil && known.complete() && partial { // the sink that was down is back
		err = h.list(ctx, p, never, unlisted)
	}
	if err == nil || errors.Is(err, ErrIncomplete) {
		err = cmp.Or(h.records(ctx, s, p), err)
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	if !p.complete() && errors.Is(err, ErrIncomplete) {
		err = nil // first what the other sinks have
	}
	return !p.complete() || p.partial, err
}

// replay tells the observers of a pack's gaps and of its latest sealed slot.
func (h *history) replay(ctx context.Context, s *store, p *pack, st state) error {
	q := &span{pack: st.id, from: never, to: unlisted, where: "state = 2 AND settled NOTNULL", oldest: true}
	for st.id != 0 {
		page, err := h.page(ctx, s, q, batch)
		if err != nil {
			return err
		}
		for _, w := range page {
			h.tell(p, w.record(p.source, p.key), false)
		}
		if len(page) < batch {
			break
		}
	}
	if st.lastSealed.due != never && !st.lastSealed.thin {
		h.tell(p, st.lastSealed.record(p.source, p.key), false)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p.replayed = true
	return nil
}

// extend lists another year of a history that is not complete: the one before
// what is known, and all of it once the first slot lies within.
func (h *history) extend(ctx context.Context, p *pack, st state) error {
	oldest, err := h.findOldest(ctx, p)
	if err != nil {
		return err
	}
	last := time.Now().UTC()
	if st.knownFrom != unlisted {
		last = time.Unix(st.knownFrom, 0).UTC().Add(-time.Second)
	}
	from := time.Date(last.Year(), time.January, 1, 0, 0, 0, 0, time.UTC).Unix()
	if oldest >= from {
		from = never
	}
	return h.list(ctx, p, from, st.knownFrom)
}

// findOldest asks when the pack's first slot fell due, which is where the
// listing begins.
func (h *history) findOldest(ctx context.Context, p *pack) (int64, error) {
	h.mu.RLock()
	oldest, a := p.oldest, h.archive
	h.mu.RUnlock()
	if oldest != unlisted {
		return oldest, nil
	}
	oldest = unlisted - 1 // there is none: whatever is listed next is all
	for l, err := range a.List(ctx, p.source, p.key, time.Time{}, time.Time{}) {
		if errors.Is(err, ErrIncomplete) {
			break
		}
		if err == nil {
			oldest = l.Due.Unix()
			break
		}
		return oldest, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p.oldest = oldest
	return oldest, nil
}

// recent lists the newest slots of a pack that was listed before: what ended
// unnoticed, and some that are known already, as those may have changed; at least
// those due then or later.
func (h *history) recent(ctx context.Context, s *store, p *pack, st state, due int64) error {
	from, ok, err := s.nth(ctx, st.id, window)
	if err != nil {
		return h.readFailed(ctx, s, err)
	}
	if !ok {
		from = st.knownFrom
	}
	return h.list(ctx, p, min(from, due), unlisted)
}

// refresh is Catalog.Refresh.
func (h *history) refresh(ctx context.Context, p *pack) error {
	p.asking.Lock()
	defer p.asking.Unlock()
	s, _, err := h.current()
	if err != nil {
		return err
	}
	h.mu.RLock()
	st := p.state
	h.mu.RUnlock()
	if !st.complete() {
		return nil
	}
	if err := h.recent(ctx, s, p, st, unlisted); err != nil && !errors.Is(err, ErrIncomplete) {
		return err
	}
	h.mu.RLock()
	behind := p.behind()
	h.mu.RUnlock()
	if behind {
		if err := h.list(ctx, p, never, unlisted); err != nil && !errors.Is(err, ErrIncomplete) {
			return err
		}
	}
	h.mu.Lock()
	p.toldSealed, p.toldAll = 0, 0
	h.mu.Unlock()
	return h.records(ctx, s, p)
}

// checkAfter is how long after its start the catalog checks its database: not
// while there is other work to do.
const checkAfter = time.Minute

// check reads the whole database once. Whatever errs later is noticed when it is
// read.
func (h *history) check(ctx context.Context) {
	if !fault.Sleep(ctx, checkAfter) {
		return
	}
	s, _, err := h.current()
	if err != nil {
		return
	}
	if err = s.check(ctx); err == nil {
		err = s.recount(ctx)
	}
	if err != nil {
		h.readFailed(ctx, s, err) //nolint:errcheck // that is what becomes of it
	}
}

// replace replaces databases that failed, until ctx ends.
func (h *history) replace(ctx context.Context) {
	for {
		var failed *store
		select {
		case failed = <-h.broken:
		case <-ctx.Done():
			return
		}
		for try := 0; ; try++ {
			err := h.renew(failed)
			if err == nil {
				break
			}
			h.opts.Logger.WarnContext(ctx, "catalog database not replaced", "file", h.opts.File, "err", err)
			if !fault.Sleep(ctx, fault.Backoff{Max: 10 * time.Second}.Wait(try, err)) {
				h.broken <- failed // Close closes it
				return
			}
		}
	}
}

// renew puts an empty database in the place of one that failed; the histories
// are read anew.
func (h *history) renew(failed *store) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	s, err := failed.renew(h.opts.Logger)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.archive != nil {
		if err := s.clear(h.archive.Identity()); err != nil {
			return fmt.Errorf("writing to the new database: %w", errors.Join(err, s.disconnect()))
		}
	}
	h.forget()
	h.store = s
	h.add(h.watched...)
	h.opts.Logger.Info("catalog database replaced", "file", h.opts.File)
	return nil
}
