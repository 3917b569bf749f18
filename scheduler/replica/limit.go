package replica

import "sync"

// Limit bounds how much is in use at once by all replicas together. Each of
// them takes the total divided by the number of live ones, rounded down, but at
// least 1. So the sum is within the total if that is no less than the number of
// replicas.
//
// Nothing that is in use is taken back. While members come and go the sum can
// be up to twice the total: one that has come takes its share at once, and what
// others have in use beyond theirs stays so until they give it back.
type Limit struct {
	group *Group
	free  chan struct{} // holds a token when a permit may be free

	mu    sync.Mutex
	total int
	taken int
}

// NewLimit returns a limit, of which nothing is taken.
func (g *Group) NewLimit(total int) *Limit {
	return &Limit{group: g, total: total, free: make(chan struct{}, 1)}
}

// Set changes the total.
func (l *Limit) Set(total int) {
	l.mu.Lock()
	l.total = total
	l.mu.Unlock()
	l.wake()
}

// Share returns how much this replica may use at present.
func (l *Limit) Share() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.share()
}

func (l *Limit) share() int { return max(1, l.total/l.group.Live()) }

// Take takes everything that is free, and returns how much that is.
func (l *Limit) Take() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := max(0, l.share()-l.taken)
	l.taken += n
	return n
}

// Give gives n back.
func (l *Limit) Give(n int) {
	l.mu.Lock()
	l.taken -= n
	l.mu.Unlock()
	l.wake()
}

// Free delivers when Give or Set may have freed something, to one reader. See also [Group.Changed].
func (l *Limit) Free() <-chan struct{} { return l.free }

func (l *Limit) wake() {
	select {
	case l.free <- struct{}{}:
	default:
	}
}
