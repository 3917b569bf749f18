package sink

import (
	"context"
	"time"

	"packseal.example/internal/fault"
)

// Deleter is implemented by a backend that can remove objects. Only package
// archive/retention removes any.
type Deleter interface {
	// DeleteObject removes the object under key for good: of a bucket with
	// versioning, its versions too, so that no delete marker hides bytes that are
	// still there. A key without an object is no error. An object that the storage
	// keeps locked stays, and the error is fault.SinkDenied.
	DeleteObject(ctx context.Context, key string) error
}

// Delete calls the method of a [Deleter]. Of other sinks it is fault.SinkDenied.
func Delete(ctx context.Context, s Sink, key string) error {
	if d, ok := s.(Deleter); ok {
		return d.DeleteObject(ctx, key)
	}
	return fault.New(fault.SinkDenied, "%s was not removed: the sink can't remove objects", key)
}

// DeleteObject implements [Deleter].
func (r retrying) DeleteObject(ctx context.Context, key string) error {
	return fault.Retry(ctx, r.tries, r.backoff, func() error { return Delete(ctx, r.sink, key) })
}

// DeleteObject implements [Deleter].
func (m measured) DeleteObject(ctx context.Context, key string) error {
	start := time.Now()
	err := Delete(ctx, m.sink, key)
	m.done(opDelete, key, time.Since(start), err)
	return err
}

// DeleteObject implements [Deleter].
func (t traced) DeleteObject(ctx context.Context, key string) error {
	return t.span(ctx, "delete", func(ctx context.Context) error { return Delete(ctx, t.sink, key) })
}

// DeleteObject implements [Deleter].
func (m *Memory) DeleteObject(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := Ended(ctx); err != nil {
		return err
	}
	if m.locks[key].Holds(time.Now()) {
		return fault.New(fault.SinkDenied, "%s is %s", key, m.locks[key])
	}
	delete(m.objects, key)
	delete(m.locks, key)
	return nil
}
