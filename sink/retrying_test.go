package sink_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/sinktest"
)

var (
	down   = fault.New(fault.SinkUnavailable, "down")
	denied = fault.New(fault.SinkDenied, "denied")
)

func TestRetryingKeepsTheContract(t *testing.T) {
	t.Parallel()
	sinktest.Run(t, func(*testing.T) sink.Sink {
		return sink.Retrying(sink.NewMemory(), fault.Backoff{Base: time.Millisecond}, 2)
	})
}

func TestRetrying(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		errs  []error
		calls int
		want  fault.Reason
	}{
		"well":      {nil, 1, ""},
		"recovers":  {[]error{down, down}, 3, ""},
		"stays":     {[]error{down, down, down, down}, 3, fault.SinkUnavailable},
		"denied":    {[]error{denied}, 1, fault.SinkDenied},
		"no object": {[]error{sink.NotExist("k")}, 1, fault.NotFound},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := sink.NewMemory()
			for _, key := range []string{"a", "b", "c"} {
				if err := m.Put(t.Context(), key, sink.Bytes(nil)); err != nil {
					t.Fatal(err)
				}
			}
			for op, run := range map[string]func(sink.Sink) error{
				"Put":  func(s sink.Sink) error { return s.Put(t.Context(), "k", sink.Bytes([]byte("x"))) },
				"Open": func(s sink.Sink) error { _, err := s.Open(t.Context(), "a"); return err },
			} {
				f := &flaky{Memory: m, errs: tc.errs}
				err := run(sink.Retrying(f, fault.Backoff{}, 3))
				if fault.Of(err) != tc.want || f.calls != tc.calls || errors.Is(err, fs.ErrNotExist) != (tc.want == fault.NotFound) {
					t.Errorf("%s: %s: got %v after %d calls, want %q after %d", name, op, err, f.calls, tc.want, tc.calls)
				}
			}
		})
	}
}

// A List that failed is repeated, and yields nothing twice.
func TestRetryingList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{Memory: sink.NewMemory()}
		for _, key := range []string{"a", "b", "c"} {
			if err := f.Put(t.Context(), key, sink.Bytes(nil)); err != nil {
				t.Fatal(err)
			}
		}
		list := func(errs ...error) (keys []string, last error) {
			f.errs = errs
			for e, err := range sink.Retrying(f, fault.Backoff{}, 3).List(t.Context(), "", "") {
				if last = err; err == nil {
					keys = append(keys, e.Key)
				}
			}
			return keys, last
		}
		if keys, err := list(down, down); err != nil || !cmp.Equal(keys, []string{"a", "b", "c"}) {
			t.Errorf("got %q, %v", keys, err)
		}
		if keys, err := list(down, denied); fault.Of(err) != fault.SinkDenied || !cmp.Equal(keys, []string{"a"}) {
			t.Errorf("got %q, %v", keys, err)
		}
		f.unordered = true
		if keys, err := list(down, down); err != nil || !cmp.Equal(keys, []string{"c", "b", "a"}) {
			t.Errorf("of a store without order, got %q, %v", keys, err)
		}
		f.errs = []error{down}
		for range sink.Retrying(f, fault.Backoff{}, 3).List(t.Context(), "", "") {
			break
		}
	})
}
