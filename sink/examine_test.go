package sink_test

import (
	"context"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// faulty is a Memory with one method replaced.
type faulty struct {
	*sink.Memory
	put  func(ctx context.Context, key string, c sink.Content) error
	open func(ctx context.Context, key string) (io.ReadCloser, error)
	list func(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error]
}

func (o faulty) Put(ctx context.Context, key string, c sink.Content) error {
	if o.put != nil {
		return o.put(ctx, key, c)
	}
	return o.Memory.Put(ctx, key, c)
}

func (o faulty) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if o.open != nil {
		return o.open(ctx, key)
	}
	return o.Memory.Open(ctx, key)
}

func (o faulty) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	if o.list != nil {
		return o.list(ctx, prefix, after)
	}
	return o.Memory.List(ctx, prefix, after)
}

// Try leaves one small object, however often it runs.
func TestTryGood(t *testing.T) {
	t.Parallel()
	m := sink.NewMemory()
	for range 3 {
		var checks []string
		for _, r := range sink.Examine(t.Context(), m) {
			checks = append(checks, r.Check)
			if r.State != diag.Good {
				t.Errorf("got %+v", r)
			}
		}
		if d := cmp.Diff([]string{"put", "read-back", "list", "write-once"}, checks); d != "" {
			t.Error(d)
		}
	}
	var keys []string
	for e, err := range m.List(t.Context(), "", "") {
		if keys = append(keys, e.Key); err != nil || e.Size > 1000 {
			t.Errorf("%+v, %v", e, err)
		}
	}
	if d := cmp.Diff([]string{"packseal-doctor/probe.txt"}, keys); d != "" {
		t.Error(d)
	}
}

// A breach of the contract is detected, and ends the checks.
func TestTryBad(t *testing.T) {
	t.Parallel()
	down := fault.New(fault.SinkUnavailable, "down").WithHint("start it")
	for name, c := range map[string]struct {
		change func(*faulty)
		brief  string
		reason fault.Reason
	}{
		"down":         {func(o *faulty) { o.put = func(context.Context, string, sink.Content) error { return down } }, "✗put", fault.SinkUnavailable},
		"can't read":   {func(o *faulty) { o.open = func(context.Context, string) (io.ReadCloser, error) { return nil, down } }, "✓put ✗read-back", fault.SinkUnavailable},
		"reads others": {func(o *faulty) { o.open = opens("not the probe") }, "✓put ✗read-back", fault.Damaged},
		"reads more":   {func(o *faulty) { o.open = opens(strings.Repeat("x", 4000)) }, "✓put ✗read-back", fault.Damaged},
		"lists none": {func(o *faulty) {
			o.list = func(context.Context, string, string) iter.Seq2[sink.Entry, error] { return nothing }
		}, "✓put ✓read-back ✗list", fault.Damaged},
		"can't list": {func(o *faulty) {
			o.list = func(context.Context, string, string) iter.Seq2[sink.Entry, error] {
				return func(yield func(sink.Entry, error) bool) { yield(sink.Entry{}, down) }
			}
		}, "✓put ✓read-back ✗list", fault.SinkUnavailable},
		"replaces": {func(o *faulty) {
			o.put = func(ctx context.Context, key string, c sink.Content) error {
				if err := o.Memory.Put(ctx, key, c); fault.Of(err) != fault.Conflict {
					return err
				}
				return nil
			}
		}, "✓put ✓read-back ✓list ✗write-once", fault.Conflict},
		"does not take the same again": {func(o *faulty) {
			n := 0
			o.put = func(ctx context.Context, key string, c sink.Content) error {
				if n++; n == 2 {
					return fault.New(fault.Conflict, "taken")
				}
				return o.Memory.Put(ctx, key, c)
			}
		}, "✓put ✓read-back ✓list ✗write-once", fault.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &faulty{Memory: sink.NewMemory()}
			c.change(o)
			results := sink.Try(t.Context(), o, sink.ProbeKey(""))
			var brief []string
			for _, r := range results {
				brief = append(brief, r.Mark()+r.Check)
			}
			if got := strings.Join(brief, " "); got != c.brief || results[len(results)-1].Reason != c.reason {
				t.Errorf("got %s, %+v", got, results[len(results)-1])
			}
		})
	}
}

func opens(content string) func(context.Context, string) (io.ReadCloser, error) {
	return func(context.Context, string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}
}

func nothing(func(sink.Entry, error) bool) {}

// An altered probe is reported.
func TestTryAltered(t *testing.T) {
	t.Parallel()
	m := sink.NewMemory()
	if err := m.Put(t.Context(), sink.ProbeKey(""), sink.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	r := sink.Examine(t.Context(), m)
	if len(r) != 1 || r[0].Reason != fault.Conflict || !strings.Contains(r[0].Hint, "it is not evidence") {
		t.Errorf("got %+v", r)
	}
}

func TestProbeKeys(t *testing.T) {
	t.Parallel()
	for _, terms := range []string{"", "compliance-365"} {
		if key := sink.ProbeKey(terms); !sink.IsProbe(key) || sink.CheckKey(key) != nil {
			t.Errorf("%s is not a valid probe key", key)
		}
	}
	for _, terms := range []string{"", "compliance-365"} {
		keys := sink.ListingKeys(terms)
		for _, key := range keys {
			if !sink.IsProbe(key) || sink.CheckKey(key) != nil {
				t.Errorf("%s is not a valid probe key", key)
			}
		}
		if !slices.IsSorted(keys) {
			t.Errorf("%v are not in order", keys)
		}
	}
	for _, key := range []string{
		"packseal-doctor/listing.txt", "packseal-doctor/listing/a/z.txt", "packseal-doctor/probe/a/x.txt", "packseal-doctor/listing-/../a/x.txt",
		"", "packseal-doctor/probe", "packseal-doctor/probes.txt", "packseal-doctor/probe-A.txt", "packseal-doctor/other.txt", "x/packseal-doctor/probe.txt",
		"packseal-doctor/probe-x/cp-1/2026/01/20260101T000000Z/report.txt", "packseal-doctor/probe.txt.xls",
	} {
		if sink.IsProbe(key) {
			t.Errorf("%q passes for a probe", key)
		}
	}
}

// The probe of earlier versions must stay valid: its digest must never change.
func TestProbeIsUnchanged(t *testing.T) {
	t.Parallel()
	c := sink.Probe()
	if got := c.SHA256[:4]; c.Size != 185 || !slices.Equal(got, []byte{0x2b, 0xd9, 0xdd, 0x3d}) {
		t.Errorf("%d bytes with %x", c.Size, got)
	}
}
