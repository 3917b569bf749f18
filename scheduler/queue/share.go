package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
)

// divisionKey is where the division stands on the board.
const divisionKey = "places"

// pace is how fast replicas learn of one another.
type pace struct {
	beat  time.Duration // between two signs of life
	fence time.Duration // who gave none for so long takes himself for dead: asks for nothing, and ends what needs a place
	dead  time.Duration // who was seen to give none for so long is taken out by others
}

// usual is the pace outside tests. After ackWait without a word the engine has
// handed the work to somebody else anyway. What is between fence and dead is
// for work to end, and for clocks that do not run alike.
var usual = pace{beat: 3 * time.Second, fence: ackWait, dead: ackWait * 3 / 2}

// sharing keeps this replica's part of each source's bound in step with the
// division on the board, so that the bound holds for all replicas together.
//
// A process that is halted as a whole (a suspend, kill -STOP) for longer than
// pace.dead and goes on has its work ended only then: for that moment there
// is more in the making than the bound.
type sharing struct {
	member string
	board  jetstream.KeyValue
	mend   func(context.Context) error // makes the board anew, should it be lost
	log    *slog.Logger
	kick   chan struct{} // has a token when there is something to say before the next beat

	// For run alone:
	lookout
	beats uint64 // the last number that was tried,
	told  uint64 // that stands on the board for certain, 0 = none yet
	known uint64 // the board's revision then

	mu      sync.Mutex
	sources map[string]*places
	until   time.Time // our places are ours until then
	timer   *time.Timer
}

func newSharing(member string, e *engine, p pace, log *slog.Logger) *sharing {
	s := &sharing{
		member: member, board: e.board, mend: e.ensure, log: log, kick: make(chan struct{}, 1),
		lookout: lookout{pace: p}, beats: rand.Uint64() >> 16, // so that no two processes count alike
		sources: make(map[string]*places),
	}
	s.timer = time.AfterFunc(time.Hour, s.expire)
	s.timer.Stop()
	return s
}

// work adds a source whose bound over all replicas is n. Its places are there
// when the board knows. Call done when nothing of them is taken any more.
func (s *sharing) work(source string, n int, gauge prometheus.Gauge) (p *places, done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sources[source] != nil {
		return nil, nil, errors.New("it is worked on already")
	}
	p = newPlaces(n, gauge)
	s.sources[source] = p
	select {
	case s.kick <- struct{}{}:
	default:
	}
	return p, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		p.fence()
		delete(s.sources, source)
	}, nil
}

// part returns how much of the source's bounds is ours, from 0 to 1.
func (s *sharing) part(source string) float64 {
	s.mu.Lock()
	p := s.sources[source]
	s.mu.Unlock()
	if p == nil {
		return 0
	}
	return float64(p.held()) / float64(p.bound)
}

// run keeps the part in step until ctx ends, and then takes this replica out,
// so that others need not wait until it is dead for them.
func (s *sharing) run(ctx context.Context) {
	defer s.timer.Stop()
	pause := time.NewTimer(s.pace.beat)
	defer pause.Stop()
	for ctx.Err() == nil {
		// The first turn has something to say, or it would give away what
		// the process before this one had.
		select {
		case <-ctx.Done():
			continue
		case <-s.kick:
		case <-pause.C:
		}
		pause.Reset(s.pace.beat)
		if err := s.turn(ctx); err != nil && ctx.Err() == nil {
			s.log.DebugContext(ctx, "the other replicas were not told of this one", "err", err)
			s.mended(ctx)
			pause.Reset(s.pace.beat / 4)
		}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), once)
	defer cancel()
	if err := s.leave(ending); err != nil {
		s.log.DebugContext(ctx, "the other replicas were not told that this one ends", "err", err)
	}
}

// turn gives a sign of life and sets this replica's places right. Others may
// do the same at that moment, so it is tried until it is done.
func (s *sharing) turn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	for {
		began := time.Now()
		d, revision, err := s.read(ctx)
		if err == nil {
			err = s.change(ctx, began, d, revision)
		}
		if !beaten(err) {
			return err
		}
		if !fault.Sleep(ctx, rand.N(s.pace.beat/50)) {
			return err
		}
	}
}

// mended makes the board anew, should it be lost. Some servers do not answer
// at all then, so this does not wait for their word.
func (s *sharing) mended(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if err := s.mend(ctx); err != nil {
		s.log.DebugContext(ctx, "the board cannot be looked after", "err", err)
	}
}

// change decides what the division should be next, lowers what is to be
// lowered here, writes it, and only then raises what is to be raised.
func (s *sharing) change(ctx context.Context, began time.Time, d division, revision uint64) error {
	mine, there := d.Members[s.member]
	if s.told > 0 && (revision < s.known || there && mine.Beat < s.told) {
		d.Anew = true // lost, or set back to what it was some time ago
	}
	now := time.Now()
	gone := slices.DeleteFunc(s.look(d, now), func(name string) bool { return name == s.member })
	if s.settled(now) {
		d.Anew = false
	}
	s.mu.Lock()
	sources := maps.Clone(s.sources)
	s.mu.Unlock()
	held := make(map[string]int, len(sources))
	for source, p := range sources {
		held[source] = p.held()
	}
	s.beats++
	d = d.enter(s.member, s.beats, held, gone)
	places, aims := d.Members[s.member].Places, make(map[string]int, len(sources))
	for source, p := range sources {
		aims[source] = d.aim(s.member, source, p.bound)
		places[source] = p.lower(places[source], aims[source])
	}
	revision, err := s.write(ctx, d, revision)
	if err != nil {
		return err
	}
	s.told, s.known = s.beats, revision
	for _, name := range gone {
		s.log.InfoContext(ctx, "a replica that gives no sign of life has its places taken", "member", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.until.IsZero() && now.After(s.until) {
		s.log.InfoContext(ctx, "the other replicas hear this one again")
	}
	s.until = began.Add(s.pace.fence)
	s.timer.Reset(time.Until(s.until))
	for source, p := range sources {
		if s.sources[source] == p && time.Now().Before(s.until) {
			p.grant(aims[source], places[source])
		}
	}
	return nil
}

// expire gives all places up: the others have heard nothing for so long that
// they will take them.
func (s *sharing) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.until) {
		return // just renewed
	}
	s.log.Warn("no sign of life reaches the other replicas: what is not fetched yet goes back to the queue", "for", s.pace.fence)
	for _, p := range s.sources {
		p.fence()
	}
}

// leave takes this replica out of the division.
func (s *sharing) leave(ctx context.Context) error {
	for {
		d, revision, err := s.read(ctx)
		if _, there := d.Members[s.member]; err == nil && there {
			_, err = s.write(ctx, d.without(s.member), revision)
		}
		if !beaten(err) {
			return err
		}
	}
}

// read returns the division that stands on the board, and its revision: 0 when
// there is none. One that cannot be read is as good as lost.
func (s *sharing) read(ctx context.Context) (d division, revision uint64, err error) {
	value, revision, err := peek(ctx, s.board, divisionKey)
	if err != nil {
		return division{}, 0, fmt.Errorf("reading how places are divided: %w", err)
	}
	if revision > 0 && json.Unmarshal(value, &d) != nil {
		d = division{Anew: true}
	}
	return d, revision, nil
}

// write puts the division on the board if nobody did so since that revision,
// and returns the next one.
func (s *sharing) write(ctx context.Context, d division, revision uint64) (uint64, error) {
	raw, err := json.Marshal(d)
	if err != nil {
		return 0, err
	}
	if revision, err = swap(ctx, s.board, divisionKey, raw, revision); err != nil {
		return 0, fmt.Errorf("dividing places: %w", err)
	}
	return revision, nil
}
