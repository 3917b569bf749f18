package sink

import (
	"context"
	"errors"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/trace"
)

// Lock is what keeps an object from being removed from storage.
type Lock struct {
	Mode  string    // "GOVERNANCE" or "COMPLIANCE"; empty: it has no retention
	Until time.Time // when that ends or has ended, UTC, whole seconds
	Hold  bool      // a legal hold, which lasts until somebody lifts it
}

// Holds reports whether the object can't be removed at that time.
func (l Lock) Holds(at time.Time) bool { return l.Hold || l.Mode != "" && at.Before(l.Until) }

// String tells what is so: "under legal hold", "locked until … in mode COMPLIANCE".
func (l Lock) String() string {
	s := "not locked"
	if l.Mode != "" {
		s = "locked until " + l.Until.UTC().Format(time.RFC3339) + " in mode " + l.Mode
	}
	if l.Hold {
		s = "under legal hold, and " + s
	}
	return s
}

// LockTerms are the lock that a configuration asks for. The zero one asks for none.
type LockTerms struct {
	Mode   string // at least that: COMPLIANCE is more than GOVERNANCE
	Days   int    // from when the object was stored
	Extend int    // locks that end within so many days are to be extended; 0 = none
}

// Fault says what is wrong with the lock of an object that was stored then, and is
// empty if it is as the terms ask. Stores round dates, some to whole seconds, and
// have clocks of their own: slack is how much earlier the lock may end.
func (t LockTerms) Fault(l Lock, stored time.Time, slack time.Duration) string {
	end := stored.AddDate(0, 0, t.Days).Truncate(time.Second)
	switch {
	case t.Days == 0:
		return ""
	case l.Mode == "":
		return "it has no lock"
	case l.Mode != t.Mode && l.Mode != "COMPLIANCE":
		return "its lock has the mode " + l.Mode + ", not " + t.Mode
	case l.Until.Truncate(time.Second).Before(end.Add(-slack)):
		return "its lock ends at " + l.Until.UTC().Format(time.RFC3339) + ", not at " + end.UTC().Format(time.RFC3339)
	}
	return ""
}

// Locker is implemented by a backend whose storage can lock objects.
type Locker interface {
	// LockTerms returns what is configured.
	LockTerms() LockTerms
	// Lock reads the lock of an object back. It is the zero Lock where the storage
	// has none. The error is ErrNotExist for a key without an object.
	Lock(ctx context.Context, key string) (Lock, error)
	// ExtendLock has the lock of an object last until then, in the mode that it has.
	// It never ends earlier than before.
	ExtendLock(ctx context.Context, key string, until time.Time) error
}

// LockTermsOf calls the method of a [Locker]. Of other sinks nothing is asked.
func LockTermsOf(s Sink) LockTerms {
	if l, ok := s.(Locker); ok {
		return l.LockTerms()
	}
	return LockTerms{}
}

// ReadLock calls the method of a [Locker]. Other sinks lock nothing.
func ReadLock(ctx context.Context, s Sink, key string) (Lock, error) {
	if l, ok := s.(Locker); ok {
		return l.Lock(ctx, key)
	}
	return Lock{}, nil
}

// ExtendLock calls the method of a [Locker]. Of other sinks it is fault.SinkDenied.
func ExtendLock(ctx context.Context, s Sink, key string, until time.Time) error {
	if l, ok := s.(Locker); ok {
		return l.ExtendLock(ctx, key, until)
	}
	return fault.New(fault.SinkDenied, "%s was not locked: the sink has no locks", key)
}

// LockTerms implements [Locker].
func (r retrying) LockTerms() LockTerms { return LockTermsOf(r.sink) }

// LockTerms implements [Locker].
func (m measured) LockTerms() LockTerms { return LockTermsOf(m.sink) }

// LockTerms implements [Locker].
func (t traced) LockTerms() LockTerms { return LockTermsOf(t.sink) }

// Lock implements [Locker].
func (r retrying) Lock(ctx context.Context, key string) (l Lock, err error) {
	err = fault.Retry(ctx, r.tries, r.backoff, func() (err error) {
		l, err = ReadLock(ctx, r.sink, key)
		return err
	})
	return l, err
}

// Lock implements [Locker].
func (m measured) Lock(ctx context.Context, key string) (Lock, error) {
	if _, ok := m.sink.(Locker); !ok {
		return Lock{}, nil
	}
	start := time.Now()
	l, err := ReadLock(ctx, m.sink, key)
	m.done(opLock, key, time.Since(start), err)
	return l, err
}

// Lock implements [Locker].
func (t traced) Lock(ctx context.Context, key string) (l Lock, err error) {
	err = t.span(ctx, "lock", func(ctx context.Context) (err error) {
		l, err = ReadLock(ctx, t.sink, key)
		return err
	})
	return l, err
}

// ExtendLock implements [Locker].
func (r retrying) ExtendLock(ctx context.Context, key string, until time.Time) error {
	return fault.Retry(ctx, r.tries, r.backoff, func() error { return ExtendLock(ctx, r.sink, key, until) })
}

// ExtendLock implements [Locker].
func (m measured) ExtendLock(ctx context.Context, key string, until time.Time) error {
	start := time.Now()
	err := ExtendLock(ctx, m.sink, key, until)
	m.done(opLock, key, time.Since(start), err)
	return err
}

// ExtendLock implements [Locker].
func (t traced) ExtendLock(ctx context.Context, key string, until time.Time) error {
	return t.span(ctx, "lock", func(ctx context.Context) error { return ExtendLock(ctx, t.sink, key, until) })
}

// span records a span of a call. A key without an object is not a failure.
func (t traced) span(ctx context.Context, name string, call func(context.Context) error) error {
	ctx, s := trace.Call(ctx, name, trace.Sink.String(t.name))
	err := call(ctx)
	if errors.Is(err, ErrNotExist) {
		s.End(nil)
	} else {
		s.End(err)
	}
	return err
}

// SetLock sets the lock of an object of a Memory, for tests.
func (m *Memory) SetLock(key string, l Lock) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.locks[key] = l
}

// LockTerms implements [Locker].
func (m *Memory) LockTerms() LockTerms { return m.Terms }

// Lock implements [Locker].
func (m *Memory) Lock(ctx context.Context, key string) (Lock, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.objects[key]; !ok {
		return Lock{}, NotExist(key)
	}
	return m.locks[key], Ended(ctx)
}

// ExtendLock implements [Locker].
func (m *Memory) ExtendLock(ctx context.Context, key string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.locks[key]
	if l.Mode == "" {
		l.Mode = m.Terms.Mode
	}
	if until.After(l.Until) {
		l.Until = until
	}
	m.locks[key] = l
	return Ended(ctx)
}
