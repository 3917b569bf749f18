package daemon

import (
	"context"
	"log/slog"
	"maps"
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

// set replaces what is known of sources, and keeps it in the state folder.
func (d *discovered) set(changed map[string]discovery.State) error {
	if len(changed) == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	states := maps.Clone(d.states)
	if states == nil {
		states = make(map[string]discovery.State)
	}
	maps.Copy(states, changed)
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
			s.refreshAll(ctx, func(source string) bool { return among(source, r.source) })
			s.refreshAll(ctx, func(source string) bool { return among(source, r.source) && s.discovered.of(source).Tried.IsZero() }) // accounts that were found
			close(r.done)
		case <-timer.C:
		}
		timer.Stop()
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
	failing := st.Failing()
	if !cfg.NeedsListing(source) || failing == nil {
		return next
	}
	again := st.Tried.Add(discoverAgain)
	if _, member := cfg.Member(source); !st.Known() && (!member || fault.Of(failing).Transient()) { // an account that refuses is one of many
		again = st.Tried.Add(discoverFirst)
	}
	if again.Before(next) {
		return again
	}
	return next
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
