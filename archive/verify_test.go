package archive_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// unlisted is a sink that does not say what it holds.
type unlisted struct{ sink.Sink }

func (unlisted) List(context.Context, string, string) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		yield(sink.Entry{}, fault.New(fault.SinkUnavailable, "turned off"))
	}
}

// TestVerifyOneSinkDown: what can't be read does not hide what is wrong with
// the rest, and does not pass for unmirrored.
func TestVerifyOneSinkDown(t *testing.T) {
	t.Parallel()
	first, second := unlisted{sink.NewMemory()}, sink.NewMemory()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: first}, archive.Target{Name: "b", Sink: second})
	if _, err := h.Seal(t.Context(), slot("cp-1", due()), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := second.Put(t.Context(), "stray", sink.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	result, err := h.Verify(t.Context(), archive.Selection{})
	if fault.Of(err) != fault.SinkUnavailable {
		t.Errorf("got %v, want the sink that is down", err)
	}
	if result.Sealed != 1 || len(result.Problems) != 1 || result.Problems[0].Kind != archive.Orphaned || result.Problems[0].Sink != "b" {
		t.Errorf("got %+v, want one sealed slot and the stray object of b", result)
	}
}

// tiered is a sink whose objects with keys that contain a text are in an archive tier,
// or can't be read for another reason.
type tiered struct {
	sink.Sink
	of     string
	reason fault.Reason // empty = not restored
}

func (s tiered) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := s.Sink.Open(ctx, key)
	if err == nil && strings.Contains(key, s.of) {
		return nil, errors.Join(fault.New(cmp.Or(s.reason, fault.NotRestored), "%s is in an archive tier", key), r.Close())
	}
	return r, err
}

// TestArchiveTier: what has to be restored before it can be read, or may not be read
// by us, counts by its name, and is in the way of nothing else.
func TestArchiveTier(t *testing.T) {
	t.Parallel()
	for _, reason := range []fault.Reason{fault.NotRestored, fault.SinkDenied} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			testUnread(t, reason)
		})
	}
}

func testUnread(t *testing.T, reason fault.Reason) {
	for of, want := range map[string]struct {
		unread  int // of two slots that are sealed and one gap
		records int // that can't be read
	}{
		evidence.ManifestName: {2, 2},
		evidence.GapName:      {1, 1},
		".xls":                {2, 0},
		"":                    {3, 3},
	} {
		t.Run(of, func(t *testing.T) {
			t.Parallel()
			full := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
			at := due()
			full.settle(t, at)
			full.settle(t, at.Add(-time.Hour))
			if err := full.Gap(t.Context(), slot("cp-1", at.Add(-2*time.Hour)), fault.Missed, ""); err != nil {
				t.Fatal(err)
			}
			store := full.sinks[0].Sink
			h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: tiered{store, of, reason}}, archive.Target{Name: "b", Sink: tiered{store, of, reason}})
			go h.catalog.Run(t.Context())
			if _, err := h.catalog.LastSettled(t.Context(), "prod", "cp-1", time.Now(), 1); err != nil {
				t.Fatal(err)
			}
			if st := h.Status("prod", "cp-1"); !st.Complete || st.Sealed != 2 || st.Gaps != 1 {
				t.Errorf("status is %+v", st)
			}
			for _, due := range []time.Time{at, at.Add(-2 * time.Hour)} {
				if again := h.Settle(t.Context(), task("cp-1", due, time.Now().Add(time.Minute))); again != 0 {
					t.Errorf("%s is tried again in %s", due, again)
				}
			}
			if calls := h.sim.Calls(); len(calls) > 0 {
				t.Errorf("calls were made: %v", calls)
			}
			all, failed := 0, 0
			for _, err := range h.Records(t.Context(), catalog.Query{Source: "prod", Pack: "cp-1"}) {
				if all++; fault.Of(err) == reason {
					failed++
				} else if err != nil {
					t.Error(err)
				}
			}
			if all != 3 || failed != want.records {
				t.Errorf("%d records, of which %d can't be read", all, failed)
			}
			v, err := h.Verify(t.Context(), archive.Selection{})
			if fault.Of(err) != reason || v.Unread != 2*want.unread || v.Sealed != 4 || v.Gaps != 2 || len(v.Problems) != 0 {
				t.Errorf("verify: %+v, %v", v, err)
			}
		})
	}
}
