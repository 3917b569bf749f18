package daemon

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"packseal.example/fetcher/discovery"
	"packseal.example/internal/fault"
)

const (
	// discoverLook is how often it is looked whether packs are to be listed, or
	// another replica has listed them.
	discoverLook = time.Minute
	// discoverAgain is when packs are listed again that a source discovers, after not
	// all could be; before all were listed once, it is discoverFirst.
	discoverAgain = 5 * time.Minute
	discoverFirst = 30 * time.Second
	// sharedAgain is how often it is read what replicas share, although none has told
	// of anything new: its word may have been lost.
	sharedAgain = 10 * time.Minute

	sharedStates = "discovered" // the notes in which replicas share what was discovered
)

// discovered is what is known of the packs that sources have. It is kept in the state
// folder, so that a restart without the API goes on with it.
//
// Of several replicas the leader lists, and shares the result: if each one listed for
// itself, a pack that appears between two listings would be scheduled by some of them
// only, until the next listing. Whoever is told to list does so too.
type discovered struct {
	dir    string           // the state folder
	wanted chan struct{}    // has one when there may be something to do
	asked  chan listRequest // what somebody wants listed now

	mu     sync.Mutex
	states map[string]discovery.State // by source; the map is replaced, never changed
}

// listRequest asks for the packs of a source to be listed, or of each one. done is
// closed when they were.
type listRequest struct {
	source string
	done   chan struct{}
}

// openDiscovered reads what is known.
func openDiscovered(dir string, logger *slog.Logger) *discovered {
	states, err := discovery.Load(dir)
	if err != nil {
		logger.Warn("discovered packs not read", "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
	}
	return &discovered{dir: dir, states: states, wanted: make(chan struct{}, 1), asked: make(chan listRequest)}
}

// want has it looked soon whether packs are to be listed.
func (d *discovered) want() {
	select {
	case d.wanted <- struct{}{}:
	default:
	}
}

// all returns what is known of each source. The map must not be changed.
func (d *discovered) all() map[string]discovery.State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.states
}

// of returns what is known of a source.
func (d *discovered) of(source string) discovery.State { return d.all()[source] }

// set replaces what is known of a source, and keeps it in the state folder.
func (d *discovered) set(source string, st discovery.State) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	states := maps.Clone(d.states)
	if states == nil {
		states = make(map[string]discovery.State)
	}
	states[source] = st
	d.states = states
	return discovery.Save(d.dir, states)
}

// refreshNow has the packs of a source listed, or of each one, and waits until that is
// done and what has changed is in force.
func (d *discovered) refreshNow(ctx context.Context, source string) error {
	r := listRequest{source, make(chan struct{})}
	select {
	case d.asked <- r:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// discover lists packs when that is due or asked for, takes over what other replicas
// have listed, and puts into force what has changed, until ctx ends.
func (s *services) discover(ctx context.Context) {
	for taken := (time.Time{}); ; {
		if time.Since(taken) >= sharedAgain {
			s.takeShared(ctx)
			taken = time.Now()
		}
		s.refreshAll(ctx, func(source string) bool { return s.leads() && !time.Now().Before(s.nextRefresh(source)) })
		s.applyDiscovered(ctx)
		timer := time.NewTimer(s.discoverWait())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.discovered.wanted:
			taken = time.Time{}
		case r := <-s.discovered.asked:
			s.refreshAll(ctx, func(source string) bool { return r.source == "" || r.source == source })
			close(r.done)
		case <-timer.C:
		}
		timer.Stop()
	}
}

// refreshAll lists the packs of those sources.
func (s *services) refreshAll(ctx context.Context, which func(source string) bool) {
	for _, source := range slices.Sorted(maps.Keys(s.runtime.Load().sources)) {
		if ctx.Err() == nil && which(source) {
			s.refresh(ctx, source)
		}
	}
}

// discoverWait returns how long until it is looked again.
func (s *services) discoverWait() time.Duration {
	wait := discoverLook
	for source := range s.runtime.Load().sources {
		if s.leads() {
			wait = min(wait, time.Until(s.nextRefresh(source)))
		}
	}
	return max(wait, time.Second)
}

// nextRefresh returns when the packs of a source are to be listed next: by its
// schedule, and at once if they never were, what is to be listed has changed, or a
// clock was wrong.
func (s *services) nextRefresh(source string) time.Time {
	cfg, st, now := s.runtime.Load().cfg, s.discovered.of(source), time.Now()
	if st.Tried.IsZero() || st.Tried.After(now.Add(discoverLook)) || !st.Scope.Equal(cfg.Scope(source)) {
		return time.Time{}
	}
	next := cfg.Refresh(source).Next(st.Tried)
	if next.IsZero() { // it is never due again
		next = now.Add(24 * time.Hour)
	}
	if !cfg.Discovers(source) || st.Failing() == nil {
		return next
	}
	again := st.Tried.Add(discoverAgain)
	if !st.Known() {
		again = st.Tried.Add(discoverFirst)
	}
	if again.Before(next) {
		return again
	}
	return next
}

// refresh lists the packs of a source, keeps, shares and tells what has changed, and
// puts it into force.
func (s *services) refresh(ctx context.Context, source string) {
	r := s.runtime.Load()
	opened, ok := r.sources[source]
	if !ok || opened.Lister() == nil {
		return
	}
	s.takeShared(ctx)
	began, log := time.Now(), s.Logger.With("source", source)
	before := s.discovered.of(source)
	st, changes, err := discovery.Refresh(ctx, opened.Lister(), source, r.cfg.Scope(source), before)
	if err != nil {
		return // the daemon stops
	}
	if err := s.discovered.set(source, st); err != nil {
		log.WarnContext(ctx, "discovered packs not written to disk", "reason", fault.Of(err), "err", err)
	}
	s.share(ctx, source, st)
	s.applyDiscovered(ctx)
	s.tellChanges(r, source, before.Known(), changes)
	switch failing := st.Failing(); {
	case failing == nil:
		log.InfoContext(ctx, "packs listed", "packs", len(st.Packs), "found", len(changes.Found), "gone", len(changes.Gone), "took", time.Since(began).Round(time.Millisecond).String())
	case r.cfg.Discovers(source):
		log.WarnContext(ctx, "packs not listed", "reason", fault.Of(failing), "err", failing, "hint", fault.Hint(failing))
	default: // names and what is not kept are a convenience
		log.DebugContext(ctx, "packs not listed", "reason", fault.Of(failing), "err", failing)
	}
}

// applyDiscovered puts into force what was discovered, if that changes anything.
func (s *services) applyDiscovered(ctx context.Context) {
	s.updating.Lock()
	defer s.updating.Unlock()
	r := s.runtime.Load()
	if r.file.With(s.discovered.all()).SameFound(r.cfg) && maps.Equal(r.open(), r.opened) {
		return
	}
	if err := s.replace(ctx, r.file); err != nil && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "discovered packs not in force", "reason", fault.Of(err), "err", err, "hint", fault.Hint(err))
		return
	}
	s.Logger.InfoContext(ctx, "discovered packs in force", "packs", len(s.runtime.Load().entries))
}

// share gives the other replicas what is known of a source.
func (s *services) share(ctx context.Context, source string, st discovery.State) {
	if !s.cfg.Queue.Shared() {
		return
	}
	q, err := s.queue.get()
	if err == nil {
		var b []byte
		if b, err = st.Encode(); err == nil {
			err = q.Notes(sharedStates).Write(ctx, source, b)
		}
	}
	if err != nil {
		s.Logger.WarnContext(ctx, "discovered packs not shared", "source", source, "reason", fault.Of(err), "err", err)
		return
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
	for source, b := range shared {
		st, err := discovery.Decode(b)
		if err == nil && st.Replaces(s.discovered.of(source)) {
			err = s.discovered.set(source, st)
		}
		if err != nil {
			s.Logger.WarnContext(ctx, "discovered packs of other replicas not taken over", "source", source, "reason", fault.Of(err), "err", err)
		}
	}
}
