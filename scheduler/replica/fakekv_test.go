package replica

import (
	"context"
	"errors"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// fakeKV is a bucket of one key, in memory, that fails as one across a network
// does.
type fakeKV struct {
	jetstream.KeyValue
	mu       sync.Mutex
	value    []byte
	revision uint64
	failure  func() failure // asked at each write; nil = none
	late     []func()       // writes whose writer has given up
}

type failure int

const (
	none    failure = iota
	refused         // it is not written
	unheard         // it is written, and the writer does not hear of it
	late            // it is written some time later, if it still can be, and the writer has given up
)

var errFake = errors.New("no answer")

// entry is what was read.
type entry struct {
	jetstream.KeyValueEntry
	value    []byte
	revision uint64
}

func (e entry) Value() []byte    { return e.value }
func (e entry) Revision() uint64 { return e.revision }

func (f *fakeKV) Get(context.Context, string) (jetstream.KeyValueEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.value == nil {
		return nil, jetstream.ErrKeyNotFound
	}
	return entry{value: f.value, revision: f.revision}, nil
}

func (f *fakeKV) Create(ctx context.Context, key string, value []byte, _ ...jetstream.KVCreateOpt) (uint64, error) {
	return f.Update(ctx, key, value, 0)
}

func (f *fakeKV) Update(_ context.Context, _ string, value []byte, revision uint64) (uint64, error) {
	write := func() error {
		if (f.value == nil) != (revision == 0) || f.value != nil && f.revision != revision {
			return jetstream.ErrKeyRevisionMismatch
		}
		f.revision++
		f.value = value
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	how := none
	if f.failure != nil {
		how = f.failure()
	}
	switch how {
	case refused:
		return 0, errFake
	case unheard:
		write() //nolint:errcheck // nobody hears of it
		return 0, errFake
	case late:
		f.late = append(f.late, func() { write() }) //nolint:errcheck // likewise
		return 0, errFake
	}
	err := write()
	return f.revision, err
}

func (f *fakeKV) Delete(context.Context, string, ...jetstream.KVDeleteOpt) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.value = nil
	return nil
}

// faultyLink is one replica's way to the bucket.
type faultyLink struct {
	*fakeKV
	cut bool
}

func (l *faultyLink) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	if l.cut {
		return nil, errFake
	}
	return l.fakeKV.Get(ctx, key)
}

func (l *faultyLink) Delete(ctx context.Context, key string, o ...jetstream.KVDeleteOpt) error {
	if l.cut {
		return errFake
	}
	return l.fakeKV.Delete(ctx, key, o...)
}
