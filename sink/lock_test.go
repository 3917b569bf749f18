package sink_test

import (
	"errors"
	"io"
	"iter"
	"testing"
	"time"

	"context"

	"github.com/prometheus/client_golang/prometheus"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/sinktest"
)

// plain is a sink that can do no more than every sink.
type plain struct{ memory *sink.Memory }

func (p plain) Put(ctx context.Context, key string, c sink.Content) error {
	return p.memory.Put(ctx, key, c)
}
func (p plain) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	return p.memory.Open(ctx, key)
}
func (p plain) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	return p.memory.List(ctx, prefix, after)
}

// wrapped is a sink with all that is around it in the daemon.
func wrapped(s sink.Sink) sink.Sink {
	measured := sink.Measured(s, "m", sink.NewMetrics(prometheus.NewRegistry(), nil))
	return sink.Retrying(sink.Traced(measured, "m"), fault.Backoff{Base: time.Millisecond}, 2)
}

// TestDelete: what is around a sink hides neither that it can delete nor that it can't.
func TestDelete(t *testing.T) {
	t.Parallel()
	sinktest.Deletes(t, wrapped(sink.NewMemory()))
	if err := sink.Delete(t.Context(), wrapped(plain{sink.NewMemory()}), "k"); fault.Of(err) != fault.SinkDenied {
		t.Errorf("got %v", err)
	}
}

// TestLock: locks are read and extended through what is around a sink.
func TestLock(t *testing.T) {
	t.Parallel()
	m := sink.NewMemory()
	m.Terms = sink.LockTerms{Mode: "COMPLIANCE", Days: 2, Extend: 1}
	s := wrapped(m)
	if err := s.Put(t.Context(), "k", sink.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	until := time.Now().AddDate(0, 0, 9).Truncate(time.Second)
	if err := sink.ExtendLock(t.Context(), s, "k", until); err != nil {
		t.Fatal(err)
	}
	if l, err := sink.ReadLock(t.Context(), s, "k"); err != nil || !l.Until.Equal(until) || sink.LockTermsOf(s) != m.Terms {
		t.Errorf("got %v, %v, %+v", l, err, sink.LockTermsOf(s))
	}
	if err := sink.Delete(t.Context(), s, "k"); fault.Of(err) != fault.SinkDenied {
		t.Errorf("deleted while locked: %v", err)
	}
	if _, err := sink.ReadLock(t.Context(), s, "none"); !errors.Is(err, sink.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	none := wrapped(plain{m})
	if l, err := sink.ReadLock(t.Context(), none, "k"); err != nil || l != (sink.Lock{}) || sink.LockTermsOf(none) != (sink.LockTerms{}) {
		t.Errorf("without locks: %v, %v", l, err)
	}
	if err := sink.ExtendLock(t.Context(), none, "k", until); fault.Of(err) != fault.SinkDenied {
		t.Errorf("extended without locks: %v", err)
	}
}

// TestLockFault: what differs from the terms by less than the slack, as a rounded
// date does, is no fault.
func TestLockFault(t *testing.T) {
	t.Parallel()
	stored := time.Date(2026, 1, 1, 0, 0, 0, 999e6, time.UTC)
	end := time.Date(2026, 1, 11, 0, 0, 0, 0, time.UTC)
	terms := sink.LockTerms{Mode: "GOVERNANCE", Days: 10}
	for name, c := range map[string]struct {
		terms sink.LockTerms
		lock  sink.Lock
		bad   bool
	}{
		"as asked":         {terms, sink.Lock{Mode: "GOVERNANCE", Until: end}, false},
		"a stronger mode":  {terms, sink.Lock{Mode: "COMPLIANCE", Until: end}, false},
		"within the slack": {terms, sink.Lock{Mode: "GOVERNANCE", Until: end.Add(-time.Minute)}, false},
		"shorter":          {terms, sink.Lock{Mode: "GOVERNANCE", Until: end.Add(-time.Minute - time.Second)}, true},
		"a weaker mode":    {sink.LockTerms{Mode: "COMPLIANCE", Days: 10}, sink.Lock{Mode: "GOVERNANCE", Until: end}, true},
		"none":             {terms, sink.Lock{}, true},
		"a hold alone":     {terms, sink.Lock{Hold: true}, true},
		"nothing asked":    {sink.LockTerms{}, sink.Lock{}, false},
	} {
		if got := c.terms.Fault(c.lock, stored, time.Minute); (got != "") != c.bad {
			t.Errorf("%s: %q", name, got)
		}
	}
}
