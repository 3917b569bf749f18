package sink_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/internal/fault"
	"packseal.example/sink"
	"packseal.example/sink/sinktest"
)

func TestMeasuredKeepsTheContract(t *testing.T) {
	t.Parallel()
	m := sink.NewMetrics(nil, nil)
	sinktest.Run(t, func(*testing.T) sink.Sink { return sink.Measured(sink.NewMemory(), "m", m) })
}

// All series exist from the start; no result adds one.
func TestSeries(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	m := sink.NewMetrics(reg, []string{"a", "b"})
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	count := func() int {
		n, err := testutil.GatherAndCount(reg)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	if want := 2 * (5*(13+1) + 1); before != want {
		t.Errorf("%d series at the start, want %d", before, want)
	}
	for _, r := range []fault.Reason{
		fault.Conflict, fault.SinkUnavailable, fault.SinkDenied, fault.Throttled, fault.Credentials, fault.NotFound,
		fault.Damaged, fault.Deleted, fault.NotRestored, fault.Canceled, fault.Deadline, fault.Internal,
	} {
		err := error(fault.New(r, "x"))
		if r == fault.NotFound {
			err = sink.NotExist("k")
		}
		s := sink.Measured(&flaky{Memory: sink.NewMemory(), errs: []error{err}}, "b", m)
		_ = s.Put(t.Context(), "k", sink.Bytes(nil))
		for range s.List(t.Context(), "", "") {
			continue
		}
	}
	if after := count(); after != before {
		t.Errorf("%d series, %d at the start", after, before)
	}
}

func TestUp(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := sink.NewMetrics(reg, []string{"a"})
	f := &flaky{Memory: sink.NewMemory()}
	s := sink.Measured(f, "a", m)
	for _, step := range []struct {
		fails error
		up    string
	}{
		{down, "0"}, {nil, "1"}, {denied, "0"}, {sink.NotExist("k"), "1"}, {down, "0"},
		{fault.New(fault.Conflict, "x"), "1"}, {context.Canceled, "1"}, {down, "0"}, {context.Canceled, "0"},
	} {
		f.errs = []error{step.fails}
		_ = s.Put(t.Context(), "k", sink.Bytes(nil))
		want := "# HELP packseal_sink_up 1 when the storage answers, 0 when the last put, open or list did not reach it, or when none was made yet.\n" +
			"# TYPE packseal_sink_up gauge\npackseal_sink_up{sink=\"a\"} " + step.up + "\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "packseal_sink_up"); err != nil {
			t.Errorf("after %v: %v", step.fails, err)
		}
	}
}

// A sink is up again when what failed works again. Recheck asks for that, except
// for a Put, which counts until nobody can be expected to try it again.
func TestRecheck(t *testing.T) {
	t.Parallel()
	type step func(context.Context, sink.Sink, *flaky)
	put := func(ctx context.Context, s sink.Sink, _ *flaky) { _ = s.Put(ctx, "k", sink.Bytes(nil)) }
	open := func(ctx context.Context, s sink.Sink, _ *flaky) { _, _ = s.Open(ctx, "k") }
	list := func(ctx context.Context, s sink.Sink, _ *flaky) {
		for range s.List(ctx, "", "") {
			continue
		}
	}
	fails := func(op step) step {
		return func(ctx context.Context, s sink.Sink, f *flaky) {
			f.errs = []error{down}
			op(ctx, s, f)
		}
	}
	later := func(context.Context, sink.Sink, *flaky) { time.Sleep(10 * time.Minute) }
	for name, c := range map[string]struct {
		before    []step
		down      bool // before Recheck
		stillDown bool
		calls     int // of Recheck
	}{
		"up":                          {[]step{put, open, list}, false, false, 0},
		"open":                        {[]step{fails(open)}, true, false, 1},
		"list":                        {[]step{fails(list)}, true, false, 1},
		"list and open":               {[]step{fails(list), fails(open)}, true, false, 2},
		"open works, list failed":     {[]step{fails(list), open}, true, false, 1},
		"put":                         {[]step{fails(put)}, true, true, 1},
		"put works, but not listing":  {[]step{fails(list), put}, true, false, 1},
		"put that nobody tried again": {[]step{fails(put), later}, true, false, 1},
		"put works again":             {[]step{fails(put), put}, false, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := sink.NewMetrics(nil, nil)
				f := &flaky{Memory: sink.NewMemory()}
				s := sink.Measured(f, "a", m)
				put(t.Context(), s, f)
				for _, do := range c.before {
					do(t.Context(), s, f)
				}
				if got := !m.Contact("a").Down.IsZero(); got != c.down {
					t.Errorf("down before: %v", got)
				}
				f.calls = 0
				m.Recheck(t.Context(), "a", s)
				if got := !m.Contact("a").Down.IsZero(); got != c.stillDown || f.calls != c.calls {
					t.Errorf("down: %v after %d calls, want %v after %d", got, f.calls, c.stillDown, c.calls)
				}
			})
		})
	}
}

// The duration of a List does not include the time of its caller.
func TestListTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		mem := sink.NewMemory()
		for _, key := range []string{"a", "b"} {
			if err := mem.Put(t.Context(), key, sink.Bytes(nil)); err != nil {
				t.Fatal(err)
			}
		}
		for range sink.Measured(mem, "m", sink.NewMetrics(reg, []string{"m"})).List(t.Context(), "", "") {
			time.Sleep(time.Hour)
		}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if h := m.GetHistogram(); h.GetSampleSum() != 0 {
					t.Errorf("the list took %g s", h.GetSampleSum())
				}
			}
		}
	})
}
