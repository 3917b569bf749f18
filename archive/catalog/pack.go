package catalog

import (
	"math"
	"sync"

	"packseal.example/internal/evidence"
)

// state is what is known of a pack's history. It is kept in catalog_packs and in
// memory, so that to show it costs no query.
type state struct {
	id                  int64
	sealed, gaps        int
	first, newest       int64 // due times of settled slots; never = none
	knownFrom           int64 // slots due then or later are all known; never = all, unlisted = none
	lastSealed, lastGap row   // due never = none
}

// unlisted is the knownFrom of a pack of which nothing was listed.
const unlisted = math.MaxInt64

// newState is that of a pack of which nothing is known.
func newState(id int64) state {
	return state{id: id, first: never, newest: never, knownFrom: unlisted, lastSealed: row{due: never}, lastGap: row{due: never}}
}

// complete reports whether the whole history is known.
func (s *state) complete() bool { return s.knownFrom == never }

// add counts a slot.
func (s *state) add(w row) {
	if s.first == never || w.due < s.first {
		s.first = w.due
	}
	s.newest = max(s.newest, w.due)
	if w.state == sealed {
		s.sealed++
	} else {
		s.gaps++
	}
	s.latest(w)
}

// latest makes the row the last of its state, unless a later one is.
func (s *state) latest(w row) {
	last := &s.lastSealed
	if w.state == gapped {
		last = &s.lastGap
	}
	if w.due >= last.due {
		*last = w
	}
}

// pack is a pack that the catalog knows.
type pack struct {
	source, key string
	asking      sync.Mutex // held by whoever asks the archive about it

	// Guarded by Catalog.mu.
	state
	watched    bool
	askedFrom  int64 // slots due then or later were listed since it is watched; unlisted = none
	oldest     int64 // when the first slot in the archive fell due; unlisted = not asked yet
	partial    bool  // a listing lacks what a sink holds that was down
	replayed   bool  // the observers were told of what the database holds
	working    bool
	trouble    string
	toldSealed int           // sealed slots, as another replica counts them
	toldAll    int           // settled slots, likewise
	here       counts        // slots that this process has settled
	completion chan struct{} // closed when the history is confirmed or the pack is no longer watched; nil = nobody waits
}

// counts are numbers of slots.
type counts struct{ sealed, gaps int }

// newPack returns a pack of which nothing is known.
func newPack(source, key string) *pack {
	return &pack{source: source, key: key, state: newState(0), askedFrom: unlisted, oldest: unlisted}
}

// confirmed reports whether the whole history is known, and the newest of it was
// listed since the pack is watched.
func (p *pack) confirmed() bool { return p.complete() && p.askedFrom != unlisted }

// release wakes those who wait for the history.
func (p *pack) release() {
	if p.completion != nil {
		close(p.completion)
		p.completion = nil
	}
}

// behind reports whether another replica knows of more slots than are counted.
// Counts of a history that is not complete say nothing.
func (p *pack) behind() bool {
	return p.complete() && (p.toldSealed > p.sealed || p.toldAll > p.sealed+p.gaps)
}

// status returns what is known of the pack.
func (p *pack) status() Status {
	st := Status{Sealed: p.sealed, Gaps: p.gaps, Working: p.working, Trouble: p.trouble, Complete: p.complete()}
	if p.lastSealed.due != never {
		st.LastSealed = p.lastSealed.record(p.source, p.key)
	}
	if p.lastGap.due != never {
		st.LastGap = p.lastGap.record(p.source, p.key)
	}
	return st
}

// Status is what is known of a pack without asking anybody.
type Status struct {
	Sealed, Gaps int             // slots that are known
	LastSealed   evidence.Record // zero = none is known; slot and state only, until its manifest was read
	LastGap      evidence.Record // likewise
	Working      bool            // a slot is at work
	Trouble      string          // why the last attempt at that slot failed, or empty
	Complete     bool            // the whole history is known: Sealed and Gaps count it
}
