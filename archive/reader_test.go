package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive"
	"packseal.example/archive/catalog"
	"packseal.example/fetcher"
	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// fragile is a sink whose lists break off after some objects, and that counts
// what it is asked.
type fragile struct {
	sink.Sink
	after       int // -1 = never
	lists, gets atomic.Int32
	listed      atomic.Int32 // objects
}

func (f *fragile) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	f.gets.Add(1)
	return f.Sink.Open(ctx, key)
}

func (f *fragile) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	f.lists.Add(1)
	return func(yield func(sink.Entry, error) bool) {
		n := 0
		for e, err := range f.Sink.List(ctx, prefix, after) {
			if n == f.after {
				yield(sink.Entry{}, fault.New(fault.SinkUnavailable, "broken off"))
				return
			}
			n++
			f.listed.Add(1)
			if !yield(e, err) {
				return
			}
		}
	}
}

// put puts a record of a slot into sinks: bytes that nobody reads.
func put(t *testing.T, s evidence.Slot, name string, sinks ...sink.Sink) {
	t.Helper()
	for _, to := range sinks {
		if err := to.Put(t.Context(), s.Dir()+name, sink.Bytes([]byte("{}"))); err != nil {
			t.Fatal(err)
		}
	}
}

// TestList: slots come in order, each once, from all sinks that can be listed,
// and a manifest in any of them counts more than a gap record.
func TestList(t *testing.T) {
	t.Parallel()
	a, b := &fragile{Sink: sink.NewMemory(), after: -1}, &fragile{Sink: sink.NewMemory(), after: -1}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "a", Sink: a}, archive.Target{Name: "b", Sink: b})
	start := time.Date(2025, time.December, 31, 23, 0, 0, 0, time.UTC)
	at := func(n int) evidence.Slot { return slot("cp-1", start.Add(time.Duration(n)*time.Minute)) }
	put(t, at(0), "gap.json", a, b)
	put(t, at(1), "manifest.json", b)
	put(t, at(2), "gap.json", a)
	put(t, at(2), "manifest.json", b)
	put(t, at(2), "report-0.xls", a, b)
	put(t, at(3), "report-0.xls", a)
	put(t, at(90), "manifest.json", a)
	put(t, at(91), "gap.json", b)
	put(t, slot("cp-10", start), "manifest.json", a, b)
	put(t, evidence.Slot{Source: "prod", Pack: "cp-1/cp-2", Due: start}, "manifest.json", a, b)
	list := func(from, to time.Time) (got []string, last error) {
		for l, err := range h.List(t.Context(), "prod", "cp-1", from, to) {
			if err != nil {
				last = err
				continue
			}
			got = append(got, l.Due.Sub(start).String()+" "+string(l.State))
		}
		return got, last
	}
	all := []string{"0s gap", "1m0s sealed", "2m0s sealed", "1h30m0s sealed", "1h31m0s gap"}
	for _, c := range []struct {
		from, to time.Time
		want     []string
	}{
		{want: all}, {from: at(1).Due, want: all[1:]}, {from: at(3).Due, want: all[3:]}, {to: at(2).Due, want: all[:2]},
		{from: at(1).Due, to: at(91).Due, want: all[1:4]}, {from: at(92).Due, want: nil},
	} {
		got, err := list(c.from, c.to)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("[%s, %s): %v; %s", c.from, c.to, err, diff)
		}
	}
	a.after = 2
	if got, err := list(time.Time{}, time.Time{}); !errors.Is(err, catalog.ErrIncomplete) || !cmp.Equal(got, []string{"0s gap", "1m0s sealed", "2m0s sealed", "1h31m0s gap"}) {
		t.Errorf("one sink breaks off: %v, %v", got, err)
	}
	b.after = 0
	if _, err := list(time.Time{}, time.Time{}); errors.Is(err, catalog.ErrIncomplete) || fault.Of(err) != fault.SinkUnavailable {
		t.Errorf("both break off: %v", err)
	}
}

// TestRecordAsksAllSinks: that there is no record is said only when every sink
// says so; a good one is read wherever it is.
func TestRecordAsksAllSinks(t *testing.T) {
	t.Parallel()
	good := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	at := due()
	want, err := good.Seal(t.Context(), slot("cp-1", at), time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	damaged := sink.NewMemory()
	put(t, slot("cp-1", at), "manifest.json", damaged)
	empty := sink.NewMemory()
	l := catalog.Listed{Slot: slot("cp-1", at)}
	for name, c := range map[string]struct {
		sinks []sink.Sink
		want  fault.Reason
	}{
		"good last":         {[]sink.Sink{empty, damaged, good.sinks[0].Sink}, ""},
		"damaged only":      {[]sink.Sink{damaged, empty}, fault.Damaged},
		"down":              {[]sink.Sink{empty, unopened{empty}, empty}, fault.SinkUnavailable},
		"damaged, and down": {[]sink.Sink{damaged, unopened{empty}}, fault.SinkUnavailable},
		"none":              {[]sink.Sink{empty, empty}, fault.NotFound},
	} {
		var targets []archive.Target
		for i, s := range c.sinks {
			targets = append(targets, archive.Target{Name: string(rune('a' + i)), Sink: s})
		}
		r, err := newRig(t, fetcher.Settings{}, nil, targets...).Record(t.Context(), l)
		if fault.Of(err) != c.want || err == nil && r != want || errors.Is(err, sink.ErrNotExist) != (c.want == fault.NotFound) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// unopened is a sink that does not give out what it holds.
type unopened struct{ sink.Sink }

func (unopened) Open(context.Context, string) (io.ReadCloser, error) {
	return nil, fault.New(fault.SinkUnavailable, "turned off")
}

// backwards is a sink that lists the last key first.
type backwards struct{ sink.Sink }

func (b backwards) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		var all []sink.Entry
		for e, err := range b.Sink.List(ctx, prefix, after) {
			if err != nil {
				yield(e, err)
				return
			}
			all = append(all, e)
		}
		for _, e := range slices.Backward(all) {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// TestUnorderedStore: what a store lists out of order is not taken for missing.
// Verify, which needs no order, sees all of it.
func TestUnorderedStore(t *testing.T) {
	t.Parallel()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	at := due()
	for n := range 4 {
		if err := h.Gap(t.Context(), slot("cp-1", at.Add(-time.Duration(n)*time.Hour)), fault.Missed, ""); err != nil {
			t.Fatal(err)
		}
	}
	r := newRig(t, fetcher.Settings{}, nil, archive.Target{Name: "b", Sink: backwards{h.sinks[0].Sink}})
	var last error
	for _, err := range r.List(t.Context(), "prod", "cp-1", time.Time{}, time.Time{}) {
		last = err
	}
	if fault.Of(last) != fault.SinkUnavailable || !strings.Contains(fault.Hint(last), "byte order") {
		t.Errorf("the listing ends with %v", last)
	}
	if v, err := r.Verify(t.Context(), archive.Selection{}); err != nil || v.Gaps != 4 {
		t.Errorf("verify counts %d gaps, %v", v.Gaps, err)
	}
}

// TestRequests: what a start and a history cost, in requests of a store.
func TestRequests(t *testing.T) {
	t.Parallel()
	f := &fragile{Sink: sink.NewMemory(), after: -1}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "only", Sink: f})
	at := due().AddDate(-2, 0, 0)
	for n := range 700 {
		if n%7 == 0 {
			if err := h.Gap(t.Context(), slot("cp-1", at.AddDate(0, 0, n)), fault.Missed, ""); err != nil {
				t.Fatal(err)
			}
			continue
		}
		put(t, slot("cp-1", at.AddDate(0, 0, n)), "manifest.json", f)
	}
	next := h.again(t)
	f.lists.Store(0)
	f.gets.Store(0)
	f.listed.Store(0)
	if ok, err := next.catalog.Settled(t.Context(), slot("cp-1", at.AddDate(0, 0, 699))); !ok || err != nil {
		t.Fatalf("settled: %t, %v", ok, err)
	}
	if lists, gets, listed := f.lists.Load(), f.gets.Load(), f.listed.Load(); lists != 1 || gets != 0 || listed != 1 {
		t.Errorf("%d lists of %d objects, %d reads until it is known whether the latest slot is settled", lists, listed, gets)
	}
}

// TestVanished: a slot that was seen in the archive and that no sink has any
// more is a problem.
func TestVanished(t *testing.T) {
	t.Parallel()
	full := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}})
	at := due()
	full.settle(t, at)
	if err := full.Gap(t.Context(), slot("cp-1", at.Add(time.Second)), fault.Missed, ""); err != nil {
		t.Fatal(err)
	}
	full.load(t)
	check := func(keep func(key string) bool) archive.Result {
		store := sink.NewMemory()
		for key, content := range objects(t, full.sinks[0].Sink) {
			if keep(key) {
				if err := store.Put(t.Context(), key, sink.Bytes([]byte(content))); err != nil {
					t.Fatal(err)
				}
			}
		}
		o := full.Options
		o.Sinks, o.Seen = []archive.Target{{Name: "rest", Sink: store}}, full.catalog.Seen
		a, err := archive.New(o)
		if err != nil {
			t.Fatal(err)
		}
		result, err := a.Verify(t.Context(), archive.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	if r := check(func(string) bool { return true }); len(r.Problems) > 0 {
		t.Errorf("an archive that is whole has %+v", r.Problems)
	}
	r := check(func(key string) bool { return strings.HasSuffix(key, "gap.json") })
	want := []archive.Problem{{Kind: archive.Vanished, Key: slot("cp-1", at).ManifestKey(), Detail: "it was seen in the archive, and no sink has it any more"}}
	if diff := cmp.Diff(want, r.Problems); diff != "" || !r.Damaged() {
		t.Error(diff)
	}
	if r := check(func(string) bool { return false }); len(r.Problems) != 2 {
		t.Errorf("an empty archive has %+v", r.Problems)
	}
}

// refusing is a sink that lists nothing, for a reason.
type refusing struct {
	sink.Sink
	why fault.Reason
}

func (s *refusing) List(context.Context, string, string) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		yield(sink.Entry{}, fault.New(s.why, "refused"))
	}
}

// TestUnlistedOnce: a sink that can't be listed is logged once, however many packs
// and slots are asked for, and again for another reason or after a while.
func TestUnlistedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		mirror := &refusing{Sink: sink.NewMemory()}
		a, err := archive.New(archive.Options{
			Sinks:  []archive.Target{{Name: "primary", Sink: sink.NewMemory()}, {Name: "mirror", Sink: mirror}},
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, step := range []struct {
			after time.Duration
			why   fault.Reason
			lines int
		}{
			{0, fault.SinkDenied, 1},
			{time.Minute, fault.SinkDenied, 0},
			{0, fault.SinkUnavailable, 1},
			{0, fault.SinkDenied, 0},
			{time.Hour, fault.SinkDenied, 1},
		} {
			time.Sleep(step.after)
			mirror.why = step.why
			log.Reset()
			for n := range 40 {
				pack := fmt.Sprintf("cp-%d", n)
				for _, err := range a.List(t.Context(), "prod", pack, time.Time{}, time.Time{}) {
					if !errors.Is(err, catalog.ErrIncomplete) {
						t.Errorf("listing %s: %v", pack, err)
					}
				}
				if _, _, err := a.Read(t.Context(), slot(pack, due())); !errors.Is(err, sink.ErrNotExist) {
					t.Errorf("reading a slot of %s: %v", pack, err)
				}
			}
			if got := strings.Count(log.String(), "sink not listed"); got != step.lines {
				t.Errorf("step %d: %d lines, want %d:\n%s", i, got, step.lines, log.String())
			}
		}
	})
}
