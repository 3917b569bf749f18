package scheduler

import (
	"container/heap"
	"iter"
	"sync"
	"time"
)

// agenda holds the packs in the order in which they are to be looked at. A
// pack that is being looked at is not in it.
type agenda struct {
	mu    sync.Mutex
	packs byTime
	added chan struct{} // something came in: the earliest may be another
}

func newAgenda() *agenda { return &agenda{added: make(chan struct{}, 1)} }

// add puts the pack in, to be looked at when p.at has come.
func (a *agenda) add(p *pack) {
	a.mu.Lock()
	heap.Push(&a.packs, p)
	a.mu.Unlock()
	select {
	case a.added <- struct{}{}:
	default:
	}
}

// due takes out, one by one, the packs whose time has come.
func (a *agenda) due(now time.Time) iter.Seq[*pack] {
	return func(yield func(*pack) bool) {
		for {
			a.mu.Lock()
			if len(a.packs) == 0 || a.packs[0].at.After(now) {
				a.mu.Unlock()
				return
			}
			p := heap.Pop(&a.packs).(*pack)
			a.mu.Unlock()
			if !yield(p) {
				return
			}
		}
	}
}

// wait returns how long it is until the first pack's time, at most longest.
func (a *agenda) wait(now time.Time, longest time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.packs) == 0 {
		return longest
	}
	return min(a.packs[0].at.Sub(now), longest)
}

// hurry lets the packs that wait for another try have it now. Their times
// were reckoned by a clock that has been set back since.
func (a *agenda) hurry(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.packs {
		if p.tries > 0 {
			p.at = now
		}
	}
	heap.Init(&a.packs)
}

// byTime implements heap.Interface: the pack that is looked at next is on top.
// Only package heap may call its methods, and only while agenda.mu is held.
type byTime []*pack

// Len implements heap.Interface.
func (b byTime) Len() int { return len(b) }

// Less puts the earlier time on top; of two that are equal, either may be.
func (b byTime) Less(i, j int) bool { return b[i].at.Before(b[j].at) }

// Swap implements heap.Interface.
func (b byTime) Swap(i, j int) { b[i], b[j] = b[j], b[i] }

// Push appends at the end of the slice; package heap then moves it up.
func (b *byTime) Push(p any) { *b = append(*b, p.(*pack)) }

// Pop takes the last of the slice, where package heap has moved the top, and
// clears its place, so that a pack that is gone can be collected.
func (b *byTime) Pop() any {
	last := len(*b) - 1
	p := (*b)[last]
	(*b)[last] = nil
	*b = (*b)[:last]
	return p
}
