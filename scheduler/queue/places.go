package queue

import (
	"context"
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// errTaken is why work ends whose place may be another replica's by now.
var errTaken = errors.New("this replica's places may be others' by now")

// places are those of one source in this replica: how many of its reports may
// be in the making here at once. Who is alone has all of them for good; where
// there are other replicas, sharing says how many are ours.
type places struct {
	bound int              // of the source, over all replicas
	gauge prometheus.Gauge // shows granted
	free  chan struct{}    // has a token when one may be free

	mu      sync.Mutex
	granted int             // ours by the board: more than allowed while work comes down
	allowed int             // so many may be taken
	taken   int             // by work, and by what is asked for
	lease   context.Context // ends when the places may be others'
	end     context.CancelCauseFunc
}

// newPlaces returns a source's places, none of which may be taken yet.
func newPlaces(bound int, gauge prometheus.Gauge) *places {
	p := &places{bound: bound, gauge: gauge, free: make(chan struct{}, 1)}
	p.lease, p.end = context.WithCancelCause(context.Background())
	return p
}

// take takes all places that are free: how many, and until when they are ours.
func (p *places) take() (n int, lease context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n = max(p.allowed-p.taken, 0)
	p.taken += n
	return n, p.lease
}

// give gives n places back.
func (p *places) give(n int) {
	p.mu.Lock()
	p.taken -= n
	p.mu.Unlock()
	p.wake()
}

// wake lets who waits for a place look again.
func (p *places) wake() {
	select {
	case p.free <- struct{}{}:
	default:
	}
}

// held returns how many places are ours, as far as this replica knows.
func (p *places) held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.granted
}

// lower makes room before the board is told: of the places that it says are
// ours, no more than aim are taken from now on. It returns how many to put on
// the board: aim, or what is taken still. If we went by more places than the
// board has for us, others may have them, and work that needs one ends.
func (p *places) lower(had, aim int) (next int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.granted > had {
		p.revoke()
	}
	next = max(aim, min(had, p.taken))
	p.allowed = min(p.allowed, aim)
	p.set(min(p.granted, next))
	return next
}

// grant is called when the board has next places for us, of which aim may be taken.
func (p *places) grant(aim, next int) {
	p.mu.Lock()
	p.allowed = aim
	p.set(next)
	p.mu.Unlock()
	p.wake()
}

// fence gives all places up: nothing more is taken, and work that needs one ends.
func (p *places) fence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoke()
	p.set(0)
}

func (p *places) revoke() {
	p.allowed = 0
	p.end(errTaken)
	p.lease, p.end = context.WithCancelCause(context.Background())
}

func (p *places) set(granted int) {
	p.granted = granted
	p.gauge.Set(float64(granted))
}
