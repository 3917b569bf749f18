package daemon

import (
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"packseal.example/fetcher/discovery"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

const (
	// listedAtOnce is how many sources are listed at once: those of the accounts of a
	// directory may be thousands.
	listedAtOnce = 16
	// applyEvery is how often what was found is put into force while others are still
	// being listed: a plan of thousands of packs is many records.
	applyEvery = time.Minute
)

// listed is what a look at a source has shown.
type listed struct {
	source        string
	before, after discovery.State
	changes       discovery.Changes
	took          time.Duration
}

// among reports whether somebody who names a source means this one: itself, or that of
// one of its accounts. No name means each.
func among(source, name string) bool { return name == "" || evidence.Within(source, name) }

// refreshAll lists the packs of those sources, keeps, shares and tells what has
// changed, and puts it into force.
func (s *services) refreshAll(ctx context.Context, which func(source string) bool) {
	r := s.runtime.Load()
	wanted := slices.DeleteFunc(slices.Sorted(maps.Keys(r.sources)), func(source string) bool {
		return r.sources[source].Lister() == nil || !which(source)
	})
	if len(wanted) == 0 {
		return
	}
	s.takeShared(ctx)
	results := make(chan listed)
	go func() {
		defer close(results)
		var listing errgroup.Group
		listing.SetLimit(listedAtOnce)
		for _, source := range wanted {
			listing.Go(func() error {
				if l, err := s.list(ctx, r, source); err == nil { // otherwise the daemon stops
					results <- l
				}
				return nil
			})
		}
		listing.Wait() //nolint:errcheck // there is none
	}()
	for open := true; open; {
		var batch []listed
		batch, open = collect(results, applyEvery)
		s.accept(ctx, batch)
	}
}

// collect receives results for some time, and returns whether there are more.
func collect(results <-chan listed, within time.Duration) (batch []listed, more bool) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		select {
		case l, ok := <-results:
			if !ok {
				return batch, false
			}
			batch = append(batch, l)
		case <-timer.C:
			return batch, true
		}
	}
}

// list looks at one source. An error is that of ctx.
func (s *services) list(ctx context.Context, r *runtime, source string) (l listed, err error) {
	began := time.Now()
	l = listed{source: source, before: s.discovered.of(source)}
	l.after, l.changes, err = discovery.Refresh(ctx, r.sources[source].Lister(), source, r.cfg.Scope(source), l.before)
	l.took = time.Since(began)
	return l, err
}

// accept keeps, shares and tells what looks at sources have shown, and puts it into
// force.
func (s *services) accept(ctx context.Context, batch []listed) {
	if len(batch) == 0 {
		return
	}
	r, states := s.runtime.Load(), make(map[string]discovery.State, len(batch))
	for _, l := range batch {
		states[l.source] = l.after
	}
	for _, l := range batch { // whose account is gone was perhaps listed at the same time
		for _, a := range l.changes.AccountsGone { // should it come back, it is new
			source := evidence.MemberSource(l.source, a.ID)
			states[source] = discovery.State{Revision: s.discovered.of(source).Revision + 1}
		}
	}
	if err := s.discovered.set(states); err != nil {
		s.Logger.WarnContext(ctx, "discovered packs not written to disk", "reason", fault.Of(err), "err", err)
	}
	s.share(ctx, states)
	s.applyDiscovered(ctx)
	for _, l := range batch {
		s.tellChanges(r, l)
		s.tellAccounts(r, l)
		s.tellListing(ctx, r, l)
	}
}

// tellListing logs how a look at a source went. That one fails is told once, until it
// fails for another reason: a role that can't be assumed stays so for long.
func (s *services) tellListing(ctx context.Context, r *runtime, l listed) {
	log := s.Logger.With("source", l.source)
	member, isMember := r.cfg.Member(l.source)
	failing, failed := l.after.Failing(), l.before.Failing()
	switch {
	case failing == nil && isMember && failed == nil && l.before.Known() && len(l.changes.Found)+len(l.changes.Gone) == 0: // one of many, as before
		log.DebugContext(ctx, "packs listed", "packs", len(l.after.Packs), "took", l.took.Round(time.Millisecond).String())
	case failing == nil:
		log.InfoContext(ctx, "packs listed", "packs", len(l.after.Packs), "found", len(l.changes.Found), "gone", len(l.changes.Gone), "took", l.took.Round(time.Millisecond).String())
	case r.cfg.NeedsListing(l.source) && !sameTrouble(failing, failed):
		log.WarnContext(ctx, "packs not listed", "reason", fault.Of(failing), "err", failing, "hint", fault.Hint(failing))
		if !fault.Of(failing).Transient() {
			s.notices.NotListed(notListed(l.source, member.Name, failing))
		}
	default: // told already; or names and what is not kept, which are a convenience
		log.DebugContext(ctx, "packs not listed", "reason", fault.Of(failing), "err", failing)
	}
}

// sameTrouble reports whether two listings have failed for the same reason. Messages
// have request IDs, and differ.
func sameTrouble(err, before error) bool {
	return before != nil && fault.Of(err) == fault.Of(before) && fault.Hint(err) == fault.Hint(before)
}

// share gives the other replicas what is known of sources.
func (s *services) share(ctx context.Context, states map[string]discovery.State) {
	if !s.cfg.Queue.Shared() {
		return
	}
	q, err := s.queue.get()
	for source, st := range states {
		if err != nil {
			break
		}
		var b []byte
		if b, err = st.Encode(); err == nil {
			err = fault.Retry(ctx, 3, fault.Backoff{}, func() error {
				return fault.Wrap(fault.Unavailable, q.Notes(sharedStates).Write(ctx, source, b))
			})
		}
	}
	if err != nil { // what could be written is shared all the same
		s.Logger.WarnContext(ctx, "discovered packs not shared", "reason", fault.Of(err), "err", err)
	}
	s.publish(news{Discovered: true})
}

// takeShared takes over what other replicas know that is newer.
func (s *services) takeShared(ctx context.Context) {
	if !s.cfg.Queue.Shared() {
		return
	}
	q, err := s.queue.get()
	if err != nil {
		return
	}
	shared, err := q.Notes(sharedStates).Read(ctx)
	if err != nil && ctx.Err() == nil {
		s.Logger.DebugContext(ctx, "discovered packs of other replicas not read", "reason", fault.Of(err), "err", err)
	}
	newer := make(map[string]discovery.State)
	for source, b := range shared {
		st, err := discovery.Decode(b)
		if err != nil {
			s.Logger.WarnContext(ctx, "discovered packs of other replicas not taken over", "source", source, "reason", fault.Of(err), "err", err)
		} else if st.Replaces(s.discovered.of(source)) {
			newer[source] = st
		}
	}
	if err := s.discovered.set(newer); err != nil {
		s.Logger.WarnContext(ctx, "discovered packs not written to disk", "reason", fault.Of(err), "err", err)
	}
}
