package scheduler

import (
	"container/heap"
	"iter"
	"slices"
	"sync"
	"time"
)

// dueQueue holds the packs by the time at which to look at each next. A pack
// that is being looked at is not in it.
type dueQueue struct {
	mu    sync.Mutex
	packs byTime
	added chan struct{} // signals that the earliest may be another now
}

func newDueQueue() *dueQueue { return &dueQueue{added: make(chan struct{}, 1)} }

// add adds the pack, to be looked at when p.at has come. A pack that was
// removed stays out.
func (q *dueQueue) add(p *pack) {
	q.mu.Lock()
	if !p.removed {
		heap.Push(&q.packs, p)
	}
	q.mu.Unlock()
	select {
	case q.added <- struct{}{}:
	default:
	}
}

// remove takes packs out for good, also those that are being looked at.
func (q *dueQueue) remove(packs []*pack) {
	if len(packs) == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range packs {
		p.removed = true
	}
	q.packs = slices.DeleteFunc(q.packs, func(p *pack) bool { return p.removed })
	heap.Init(&q.packs)
}

// due takes out, one by one, the packs whose time has come.
func (q *dueQueue) due(now time.Time) iter.Seq[*pack] {
	return func(yield func(*pack) bool) {
		for {
			q.mu.Lock()
			if len(q.packs) == 0 || q.packs[0].at.After(now) {
				q.mu.Unlock()
				return
			}
			p := heap.Pop(&q.packs).(*pack)
			q.mu.Unlock()
			if !yield(p) {
				return
			}
		}
	}
}

// wait returns how long it is until the first pack's time, at most longest.
func (q *dueQueue) wait(now time.Time, longest time.Duration) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.packs) == 0 {
		return longest
	}
	return min(q.packs[0].at.Sub(now), longest)
}

// retryNow makes the packs that wait for another try due at once. Their times
// were computed by a clock that has been set back since.
func (q *dueQueue) retryNow(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range q.packs {
		if p.tries > 0 {
			p.at = now
		}
	}
	heap.Init(&q.packs)
}

// byTime implements heap.Interface: the pack that is looked at next is on top.
// Only package heap may call its methods, and only while dueQueue.mu is held.
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
