package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
)

// slate is a board of one key, in memory, that fails as a board far away does.
type slate struct {
	jetstream.KeyValue
	mu       sync.Mutex
	value    []byte
	revision uint64
	trouble  func() trouble // asked at each write; nil = none
	late     []func()       // writes whose writer gave up on them
}

type trouble int

const (
	fine    trouble = iota
	refused         // it is not written
	unheard         // it is written, and the writer does not hear of it
	late            // it is written some time, if it still can be, and the writer has given up
)

var errSlate = errors.New("no answer")

// copied is what the slate said when it was read.
type copied struct {
	jetstream.KeyValueEntry
	value    []byte
	revision uint64
}

func (c copied) Value() []byte    { return c.value }
func (c copied) Revision() uint64 { return c.revision }

func (s *slate) Get(context.Context, string) (jetstream.KeyValueEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.value == nil {
		return nil, jetstream.ErrKeyNotFound
	}
	return copied{value: s.value, revision: s.revision}, nil
}

func (s *slate) Create(ctx context.Context, key string, value []byte, _ ...jetstream.KVCreateOpt) (uint64, error) {
	return s.Update(ctx, key, value, 0)
}

func (s *slate) Update(_ context.Context, _ string, value []byte, revision uint64) (uint64, error) {
	write := func() error {
		if (s.value == nil) != (revision == 0) || s.value != nil && s.revision != revision {
			return jetstream.ErrKeyRevisionMismatch
		}
		s.revision++
		s.value = value
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	how := fine
	if s.trouble != nil {
		how = s.trouble()
	}
	switch how {
	case refused:
		return 0, errSlate
	case unheard:
		write() //nolint:errcheck // nobody hears of it
		return 0, errSlate
	case late:
		s.late = append(s.late, func() { write() }) //nolint:errcheck // likewise
		return 0, errSlate
	}
	return s.revision, write()
}

// line leads from a member to the board.
type line struct {
	*slate
	cut atomic.Bool
}

func (l *line) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	if l.cut.Load() {
		return nil, errSlate
	}
	return l.slate.Get(ctx, key)
}

// lose empties the board.
func (s *slate) lose() { s.value, s.revision, s.late = nil, 0, nil }

// divided reads what stands on the slate.
func (s *slate) divided(t testing.TB) division {
	t.Helper()
	d, _, err := (&sharing{board: s}).read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sum returns how many places of the source are given out.
func (d division) sum(source string) (n int) {
	for _, m := range d.Members {
		n += m.Places[source]
	}
	return n
}

// newMember is a replica that works on a source, as far as its places go.
func newMember(t testing.TB, board *slate, name string, bound int) (*sharing, *places) {
	t.Helper()
	e := &engine{board: &line{slate: board}}
	s := newSharing(name, e, usual, slog.New(slog.DiscardHandler))
	s.mend = func(context.Context) error { return nil }
	p, _, err := s.work("prod", bound, prometheus.NewGauge(prometheus.GaugeOpts{}))
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}
