package archive_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// versioned is storage that keeps what is deleted. Whoever writes over a delete
// marker makes a new version, as on most stores.
type versioned struct {
	sink.Sink
	gone map[string]bool
	made []string // keys over delete markers
}

func newVersioned() *versioned { return &versioned{sink.NewMemory(), make(map[string]bool), nil} }

// remove puts delete markers over all keys with that ending.
func (s *versioned) remove(t *testing.T, ending string) {
	t.Helper()
	n := len(s.gone)
	for e, err := range s.Sink.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(e.Key, ending) {
			s.gone[e.Key] = true
		}
	}
	if len(s.gone) == n {
		t.Fatalf("no object ends in %s", ending)
	}
}

func (s *versioned) Put(ctx context.Context, key string, c sink.Content) error {
	if s.gone[key] {
		s.made = append(s.made, key)
		return nil
	}
	return s.Sink.Put(ctx, key, c)
}

func (s *versioned) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if s.gone[key] {
		return nil, sink.NotExist(key)
	}
	return s.Sink.Open(ctx, key)
}

func (s *versioned) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		for e, err := range s.Sink.List(ctx, prefix, after) {
			if !s.gone[e.Key] && !yield(e, err) {
				return
			}
		}
	}
}

func (s *versioned) Deletions(_ context.Context, prefix string) (ds []sink.Deletion, err error) {
	for key := range s.gone {
		if strings.HasPrefix(key, prefix) {
			ds = append(ds, sink.Deletion{Key: key, At: time.Unix(1e9, 0), Version: "v1", Size: 7})
		}
	}
	return ds, nil
}

// problems returns kinds, sinks and names of what Verify finds.
func (h *rig) problems(t *testing.T) (found []string) {
	t.Helper()
	v, err := h.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range v.Problems {
		found = append(found, string(p.Kind)+" "+p.Sink+" "+p.Key[strings.LastIndexByte(p.Key, '/')+1:])
		if p.Kind == archive.Deleted && !strings.HasSuffix(p.Detail, "was deleted at 2001-09-09T01:46:40Z; the version \"v1\" of 7 bytes is still there") {
			t.Errorf("detail %q", p.Detail)
		}
	}
	return found
}

// TestDeletedSlot: nothing takes the place of a slot whose record was deleted: no
// report is made, no gap recorded, and what waits in the spool stays there. It does
// not hold up the queue, and verify tells it once. Restored, it is as before.
func TestDeletedSlot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		gap bool
		was string // the record that is deleted
		end string // of the keys that are
	}{
		"manifest":   {false, evidence.ManifestName, evidence.ManifestName},
		"everything": {false, evidence.ManifestName, ""},
		"gap record": {true, evidence.GapName, evidence.GapName},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newVersioned()
			wrapped := sink.Retrying(sink.Traced(sink.Measured(store, "a", sink.NewMetrics(nil, nil)), "a"), fault.Backoff{}, 2)
			h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: wrapped})
			at := due().Add(-time.Hour)
			if c.gap {
				if err := h.Gap(t.Context(), slot("cp-1", at), fault.Missed, "down"); err != nil {
					t.Fatal(err)
				}
			} else {
				h.settle(t, at)
			}
			store.remove(t, c.end)
			calls := len(h.sim.Calls())
			if _, err := h.Seal(t.Context(), slot("cp-1", at), time.Now().Add(time.Minute)); fault.Of(err) != fault.Deleted ||
				!strings.Contains(err.Error(), c.was+" was deleted at 2001-09-09T01:46:40Z; the version") || !strings.Contains(fault.Hint(err), "delete marker") {
				t.Errorf("sealing: %v, hint %q", err, fault.Hint(err))
			}
			h.settle(t, at)
			if err := h.Gap(t.Context(), slot("cp-1", at), fault.Missed, "down"); err != nil {
				t.Errorf("recording a gap: %v", err)
			}
			if n := len(h.sim.Calls()); n != calls || len(store.made) > 0 || h.spooled(t) != 0 {
				t.Errorf("%d calls, %d before; written: %v; %d spooled", n, calls, store.made, h.spooled(t))
			}
			if got := h.value(t, "packseal_failures_total", "deleted"); got != 2 {
				t.Errorf("%v failures are counted", got)
			}
			if got, want := h.problems(t), []string{"deleted a " + c.was}; !slices.Equal(got, want) {
				t.Errorf("verify: %q, want %q", got, want)
			}
			h.settle(t, at.Add(time.Minute)) // others go on

			clear(store.gone)
			h.settle(t, at)
			if got := h.problems(t); len(got) > 0 {
				t.Errorf("restored: %q", got)
			}
		})
	}
}

// TestDeletedWhileSpooled: a report that waits in the spool stays there while the
// slot's record is deleted, and those of other slots are drained.
func TestDeletedWhileSpooled(t *testing.T) {
	t.Parallel()
	store, down := newVersioned(), errors.New("down")
	broken := &faulty{Sink: store, err: fault.Wrap(fault.SinkUnavailable, down)}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: broken})
	at := due().Add(-time.Hour)
	for _, d := range []time.Time{at, at.Add(time.Minute)} {
		if wait := h.Settle(t.Context(), task("cp-1", d, time.Now().Add(time.Minute))); wait == 0 {
			t.Fatal("settled in a sink that is down")
		}
	}
	store.gone[slot("cp-1", at).ManifestKey()] = true
	broken.err = nil
	for _, d := range []time.Time{at, at.Add(time.Minute)} {
		h.settle(t, d)
	}
	if n := h.spooled(t); n != 1 || len(store.made) > 0 {
		t.Errorf("%d in the spool, written %v", n, store.made)
	}
	clear(store.gone) // as if the marker and the version were removed
	h.settle(t, at)
	if n := h.spooled(t); n != 0 {
		t.Errorf("%d in the spool", n)
	}
}

// faulty is a sink whose Put fails.
type faulty struct {
	sink.Sink
	err error
}

func (s *faulty) Put(ctx context.Context, key string, c sink.Content) error {
	if s.err != nil {
		return s.err
	}
	return s.Sink.Put(ctx, key, c)
}

func (s *faulty) Deletions(ctx context.Context, prefix string) ([]sink.Deletion, error) {
	return sink.Deletions(ctx, s.Sink, prefix)
}

// TestDeletedInOneSink: what another sink has is not copied over a deletion.
func TestDeletedInOneSink(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		gap    bool
		ending string
		want   string
	}{
		"manifest":   {false, evidence.ManifestName, "deleted a manifest.json"},
		"report":     {false, ".xls", "deleted a report"},
		"gap record": {true, evidence.GapName, "deleted a gap.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := newVersioned(), newVersioned()
			h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: first}, archive.Target{Name: "b", Sink: second})
			at := due().Add(-time.Hour)
			settle := func() {
				t.Helper()
				if !c.gap {
					h.settle(t, at)
				} else if err := h.Gap(t.Context(), slot("cp-1", at), fault.Missed, "down"); err != nil {
					t.Fatal(err)
				}
			}
			settle()
			first.remove(t, c.ending)
			again := h.again(t)
			again.load(t)
			settle()
			again.settle(t, at)
			if len(first.made)+len(second.made) > 0 || h.spooled(t) != 0 {
				t.Errorf("written: %v %v, %d spooled", first.made, second.made, h.spooled(t))
			}
			if got := h.problems(t); len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
				t.Errorf("verify: %q, want %q", got, c.want)
			}
		})
	}
}
