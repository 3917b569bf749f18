package sink

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"packseal.example/internal/fault"
)

// Memory is a Sink in memory, for tests. It keeps the whole contract.
type Memory struct {
	Terms LockTerms // what is configured; objects get such a lock as they are stored

	mu      sync.Mutex
	objects map[string]object
	locks   map[string]Lock
}

type object struct {
	data   []byte
	stored time.Time
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{objects: map[string]object{}, locks: map[string]Lock{}} }

// Put implements [Sink].
func (m *Memory) Put(ctx context.Context, key string, c Content) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	var b bytes.Buffer
	b.Grow(int(min(max(c.Size, 0), 64<<20))) // the size may be wrong
	if err := c.Copy(ctx, &b); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := Ended(ctx); err != nil {
		return err
	}
	if old, ok := m.objects[key]; ok {
		if !bytes.Equal(old.data, b.Bytes()) {
			return fault.New(fault.Conflict, "%s holds other content", key)
		}
		return nil
	}
	m.objects[key] = object{b.Bytes(), time.Now()}
	if m.Terms.Days > 0 {
		m.locks[key] = Lock{Mode: m.Terms.Mode, Until: time.Now().UTC().AddDate(0, 0, m.Terms.Days).Truncate(time.Second)}
	}
	return nil
}

// Open implements [Sink].
func (m *Memory) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := errors.Join(CheckKey(key), Ended(ctx)); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return nil, NotExist(key)
	}
	return io.NopCloser(bytes.NewReader(o.data)), nil
}

// List implements [Sink]. It yields the objects that existed when it started.
func (m *Memory) List(ctx context.Context, prefix, after string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var list []Entry
		m.mu.Lock()
		for key, o := range m.objects {
			if key > after && strings.HasPrefix(key, prefix) {
				list = append(list, Entry{key, int64(len(o.data)), o.stored})
			}
		}
		m.mu.Unlock()
		slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
		for _, e := range list {
			if err := Ended(ctx); err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}
