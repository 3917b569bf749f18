package catalog

import (
	"context"
	"errors"
	"iter"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Query says which records are wanted. The zero one is for all of them.
type Query struct {
	Source, Pack string         // of that source, or of that pack of it; empty = of all
	From, To     time.Time      // due in [From, To); zero = open
	State        evidence.State // empty = both
	Oldest       bool           // the oldest first; default: the newest
	Limit        int            // how many at most; 0 = all
}

// span returns what the query asks of the database.
func (q Query) span() *span {
	s := &span{from: never, to: math.MaxInt64, where: "state > 0", oldest: q.Oldest}
	switch q.State {
	case evidence.Sealed:
		s.where = "state = 1"
	case evidence.Gapped:
		s.where = "state = 2"
	}
	if !q.From.IsZero() {
		s.from = ceil(q.From)
	}
	if !q.To.IsZero() {
		s.to = ceil(q.To)
	}
	return s
}

// ceil returns the first whole second that is not before t.
func ceil(t time.Time) int64 { return t.Add(time.Second - 1).Unix() }

const (
	reads    = 8  // records that a query reads from the sinks at once,
	readNext = 32 // of so many slots: what it has read ahead when its caller stops
)

// Records yields settled slots of the watched packs, by their due times, as far
// as they are known: see [Status].Complete. It holds little memory and nothing
// open, however long its caller takes. What a slot was sealed with is read from
// the sinks, with one request, if no query has asked for it before.
//
// A record that can't be read is yielded with its slot and state, beside the
// error: fault.Damaged, fault.Newer, fault.NotRestored, or what the sinks say. The next ones follow
// if the caller goes on. fault.Unavailable without a slot ends the sequence: the
// database is being replaced; fault.NotFound: the pack is not watched.
func (c *Catalog) Records(ctx context.Context, q Query) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		for page, err := range c.pages(ctx, q) {
			if err != nil {
				yield(evidence.Record{}, err)
				return
			}
			for len(page) > 0 {
				n := min(readNext, len(page))
				for _, r := range c.read(ctx, page[:n]) {
					if !yield(r.Record, r.err) {
						return
					}
				}
				page = page[n:]
			}
		}
	}
}

// located is a row with its pack.
type located struct {
	row
	pack *pack
}

// pages yields the rows that a query is for.
func (c *Catalog) pages(ctx context.Context, q Query) iter.Seq2[[]located, error] {
	return func(yield func([]located, error) bool) {
		s, _, err := c.current()
		span := q.span()
		if err == nil && q.Pack != "" {
			p := c.find(q.Source, q.Pack)
			if p == nil {
				yield(nil, notWatched(q.Source, q.Pack))
				return
			}
			c.mu.RLock()
			span.pack = p.id
			c.mu.RUnlock()
			if span.pack == 0 {
				return // nothing is known of it
			}
		}
		for left := q.Limit; err == nil; {
			n := batch
			if q.Limit > 0 && q.Pack != "" {
				n = min(n, left)
			}
			var rows []slot
			if rows, err = c.history.page(ctx, s, span, n); err != nil {
				break
			}
			page := c.locate(rows, q.Source)
			if q.Limit > 0 {
				page = page[:min(len(page), left)]
				left -= len(page)
			}
			if len(page) > 0 && !yield(page, nil) || len(rows) < n || q.Limit > 0 && left == 0 {
				return
			}
		}
		yield(nil, err)
	}
}

// locate returns the rows of watched packs, of a source or of all.
func (c *Catalog) locate(rows []slot, source string) []located {
	c.mu.RLock()
	defer c.mu.RUnlock()
	page := make([]located, 0, len(rows))
	for _, w := range rows {
		if p := c.byID[w.pack]; p != nil && p.watched && (source == "" || p.source == source) {
			page = append(page, located{w.row, p})
		}
	}
	return page
}

// result is a record, or why there is none.
type result struct {
	evidence.Record
	err error
}

// read returns the rows' records; what is not in the database is read from the
// sinks.
func (c *Catalog) read(ctx context.Context, rows []located) []result {
	results := make([]result, len(rows))
	var g errgroup.Group
	g.SetLimit(reads)
	for i, w := range rows {
		if !w.thin {
			results[i].Record = w.record(w.pack.source, w.pack.key)
			continue
		}
		g.Go(func() error {
			results[i].Record, results[i].err = c.history.read(ctx, w.pack, w.row)
			return nil
		})
	}
	g.Wait() //nolint:errcheck // each result has its own
	return results
}

// notWatched is the error of a question about a pack that is not watched.
func notWatched(source, pack string) error {
	return fault.New(fault.NotFound, "pack %s/%s is not in the configuration", source, pack)
}

// readFailed is what becomes of an error of a query: unless its caller has
// ended it, a damaged database is replaced.
func (c *Catalog) readFailed(ctx context.Context, s *store, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if damaged(err) {
		c.fail(s, err)
	}
	return fault.Wrap(fault.Unavailable, err)
}

// Settled reports whether a slot has ended. The archive decides: what the
// database holds counts once the pack was listed from that slot on since it is
// watched, and else the newest slots are listed, at least from that one on: one
// request a sink, which the history needs in any case.
func (c *Catalog) Settled(ctx context.Context, slot evidence.Slot) (bool, error) {
	p := c.find(slot.Source, slot.Pack)
	if p == nil {
		return false, notWatched(slot.Source, slot.Pack)
	}
	due := slot.Due.Unix()
	if !c.listed(p, due) {
		if err := c.confirm(ctx, p, due); err != nil && !errors.Is(err, ErrIncomplete) {
			return false, err
		}
	}
	s, a, err := c.current()
	if err != nil {
		return settled(ctx, a, slot)
	}
	return c.knows(ctx, s, p, due)
}

// listed reports whether the slots due then or later were listed.
func (c *Catalog) listed(p *pack, due int64) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return p.askedFrom <= due
}

// confirm lists the slots due then or later, and those that may have changed.
func (c *Catalog) confirm(ctx context.Context, p *pack, due int64) error {
	p.asking.Lock()
	defer p.asking.Unlock()
	s, _, err := c.current()
	if err != nil || c.listed(p, due) {
		return nil
	}
	c.mu.RLock()
	st := p.state
	c.mu.RUnlock()
	if st.knownFrom <= due { // it was listed before
		return c.history.recent(ctx, s, p, st, due)
	}
	return c.history.list(ctx, p, due, unlisted)
}

// settled asks the archive about one slot.
func settled(ctx context.Context, a Archive, slot evidence.Slot) (bool, error) {
	for l, err := range a.List(ctx, slot.Source, slot.Pack, slot.Due, slot.Due.Add(time.Second)) {
		if err != nil && !errors.Is(err, ErrIncomplete) {
			return false, err
		}
		return err == nil && l.Due.Equal(slot.Due), nil
	}
	return false, nil
}

// knows reports whether the database has a slot as settled.
func (c *Catalog) knows(ctx context.Context, s *store, p *pack, due int64) (bool, error) {
	c.mu.RLock()
	id, newest := p.id, p.newest
	c.mu.RUnlock()
	if due > newest {
		return false, nil
	}
	w, ok, err := s.find(ctx, id, due)
	if err != nil {
		return false, c.readFailed(ctx, s, err)
	}
	return ok && w.state != gone, nil
}

// FirstSettled returns when the pack's first settled slot fell due, and whether
// there is one. It waits until the pack's history is complete, which Run sees
// to; the error is fault.NotFound when the pack is not watched, or no longer.
func (c *Catalog) FirstSettled(ctx context.Context, source, pack string) (due time.Time, ok bool, err error) {
	p, err := c.await(ctx, source, pack)
	if err != nil {
		return due, false, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if p.first == never {
		return due, false, nil
	}
	return time.Unix(p.first, 0).UTC(), true, nil
}

// LastSettled returns when the pack's n last settled slots fell due that did so
// before then, the latest first, without imported reports: by what schedule those
// were made, nobody knows. It waits as FirstSettled does.
func (c *Catalog) LastSettled(ctx context.Context, source, pack string, before time.Time, n int) (dues []time.Time, err error) {
	if _, err := c.await(ctx, source, pack); err != nil {
		return nil, err
	}
	for more := true; more && len(dues) < n; {
		more = false
		for r, err := range c.Records(ctx, Query{Source: source, Pack: pack, To: before, Limit: n - len(dues)}) {
			if err != nil && !evidence.Unreadable(err) {
				return nil, err
			}
			if before, more = r.Due, true; r.Imported == "" {
				dues = append(dues, r.Due)
			}
		}
	}
	return dues, nil
}

// SettledBetween yields when the pack's settled slots fell due that did so in
// (after, until], in order. It waits as FirstSettled does.
func (c *Catalog) SettledBetween(ctx context.Context, source, pack string, after, until time.Time) iter.Seq2[time.Time, error] {
	return func(yield func(time.Time, error) bool) {
		if _, err := c.await(ctx, source, pack); err != nil {
			yield(time.Time{}, err)
			return
		}
		q := Query{Source: source, Pack: pack, From: after.Truncate(time.Second).Add(time.Second), To: until.Truncate(time.Second).Add(time.Second), Oldest: true}
		for page, err := range c.pages(ctx, q) {
			if err != nil {
				yield(time.Time{}, err)
				return
			}
			for _, w := range page {
				if !yield(time.Unix(w.due, 0).UTC(), nil) {
					return
				}
			}
		}
	}
}

// await waits until the history of a pack is complete, and was listed.
func (c *Catalog) await(ctx context.Context, source, pack string) (*pack, error) {
	for {
		c.mu.Lock()
		p := c.packs[name{source, pack}]
		if p == nil || !p.watched {
			c.mu.Unlock()
			return nil, notWatched(source, pack)
		}
		if p.confirmed() {
			c.mu.Unlock()
			return p, nil
		}
		if p.completion == nil {
			p.completion = make(chan struct{})
		}
		completion := p.completion
		c.mu.Unlock()
		select {
		case <-completion:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Seen yields every slot that was ever seen in the archive, with the most that
// was seen of it: [evidence.Sealed] also where the manifest is there no longer.
// It is what verify holds the sinks against.
func (c *Catalog) Seen(ctx context.Context) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		s, _, err := c.current()
		q := &span{from: never, to: math.MaxInt64, where: "state >= 0", oldest: true}
		for err == nil {
			var rows []slot
			if rows, err = c.history.page(ctx, s, q, batch); err != nil {
				break
			}
			for _, w := range rows {
				l, ok := c.seen(w)
				if ok && !yield(l, nil) {
					return
				}
			}
			if len(rows) < batch {
				return
			}
		}
		yield(Listed{}, err)
	}
}

// seen returns the most that was seen of a slot.
func (c *Catalog) seen(w slot) (Listed, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	p := c.byID[w.pack]
	if p == nil {
		return Listed{}, false
	}
	r := w.record(p.source, p.key)
	if w.lost {
		r.State = evidence.Sealed
	}
	return Listed{r.Slot, r.State}, true
}
