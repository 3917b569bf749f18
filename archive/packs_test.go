package archive_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
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

// counting counts the objects that listings give out.
type counting struct {
	sink.Sink
	listings, listed *atomic.Int64
}

func (c counting) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	c.listings.Add(1)
	return func(yield func(sink.Entry, error) bool) {
		for e, err := range c.Sink.List(ctx, prefix, after) {
			if c.listed.Add(1); !yield(e, err) {
				return
			}
		}
	}
}

// TestOthers: packs that are not configured are found among those that are, in
// every sink, without reading through anybody's slots.
func TestOthers(t *testing.T) {
	t.Parallel()
	one, two := sink.NewMemory(), sink.NewMemory()
	at := due()
	refs := []evidence.PackRef{
		{Source: "a", ID: "cp-1"}, {Source: "prod", ID: "cp-1"}, {Source: "prod", ID: "cp-10"}, {Source: "prod", ID: "cp-1", Aggregator: "ca-1"},
		{Source: "prod", ID: "cp-1-x"}, {Source: "prod", ID: "rules"}, {Source: "zone", ID: "cp-9"},
	}
	for _, p := range refs {
		for n := range 50 {
			put(t, p.Slot(at.Add(-time.Duration(n)*time.Hour)), evidence.GapName, one)
		}
	}
	only := evidence.PackRef{Source: "prod", ID: "cp-only-in-two"}
	put(t, only.Slot(at), evidence.GapName, two)
	for _, key := range []string{"packseal-doctor/probe.txt", "packseal-plans/1.json", "packseal-plans/2.json", "stray.txt"} {
		if err := one.Put(t.Context(), key, sink.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
	}
	c := counting{one, new(atomic.Int64), new(atomic.Int64)}
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "one", Sink: c}, archive.Target{Name: "two", Sink: two})
	all := append(slices.Clone(refs), only)
	for _, known := range [][]evidence.PackRef{nil, all, refs[:3], refs[3:], {refs[1], refs[5], {Source: "prod", ID: "cp-never"}}} {
		c.listings.Store(0)
		c.listed.Store(0)
		found, err := h.Others(t.Context(), known)
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, p := range all {
			if !slices.Contains(known, p) {
				want = append(want, p.Source+"/"+p.Key())
			}
		}
		for _, p := range found {
			got = append(got, p.Source+"/"+p.Key())
		}
		slices.Sort(want)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("beside %v, -want +got:\n%s", known, d)
		}
		if n := c.listed.Load(); n > 20 {
			t.Errorf("beside %v: %d objects were listed", known, n)
		}
	}
	if found, err := newRig(t, fetcher.Settings{}, nil, archive.Target{Name: "off", Sink: unlisted{one}}, archive.Target{Name: "two", Sink: two}).Others(t.Context(), nil); fault.Of(err) != fault.SinkUnavailable || len(found) != 1 {
		t.Errorf("with one sink off: %v, %v", found, err)
	}
}

// byFolder is a sink that lists folder by folder, as versitygw 1.0.14 does, and goes
// on behind keys in byte order.
type byFolder struct{ sink.Sink }

func (s byFolder) List(ctx context.Context, prefix, after string) iter.Seq2[sink.Entry, error] {
	return func(yield func(sink.Entry, error) bool) {
		var all []sink.Entry
		for e := range s.Sink.List(ctx, prefix, after) {
			all = append(all, e)
		}
		slices.SortFunc(all, func(x, y sink.Entry) int { return slices.Compare(strings.Split(x.Key, "/"), strings.Split(y.Key, "/")) })
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// TestOthersByFolder: no source is missed where one's name begins another's.
func TestOthersByFolder(t *testing.T) {
	t.Parallel()
	store := sink.NewMemory()
	var refs []evidence.PackRef
	for _, source := range []string{"prod", "prod-eu", "prod-eu-2", "prod-eu.1", "prod.123456", "prod_b", "prod0", "zone"} {
		for _, id := range []string{"cp-1", "cp-2"} {
			p := evidence.PackRef{Source: source, ID: id}
			refs = append(refs, p)
			put(t, p.Slot(due()), evidence.GapName, store)
		}
	}
	for name, s := range map[string]sink.Sink{"in order": store, "by folder": byFolder{store}} {
		h := newRig(t, fetcher.Settings{}, nil, archive.Target{Name: name, Sink: s})
		for _, known := range [][]evidence.PackRef{nil, refs[:1], refs[2:3], refs[3:6], refs[4:]} {
			found, err := h.Others(t.Context(), known)
			if err != nil || len(found) != len(refs)-len(known) {
				t.Errorf("%s, beside %v: %v, %v", name, known, found, err)
			}
		}
	}
}

// TestRecordsOfAPeriod: no more is read than is asked for.
func TestRecordsOfAPeriod(t *testing.T) {
	t.Parallel()
	store := sink.NewMemory()
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}}, archive.Target{Name: "memory", Sink: store})
	newest := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for day := range 800 {
		s := slot("cp-1", newest.AddDate(0, 0, -day))
		if day%2 == 0 {
			if err := h.Gap(t.Context(), s, fault.Missed, fmt.Sprint(day)); err != nil {
				t.Fatal(err)
			}
		}
	}
	day := func(n int) time.Time { return newest.AddDate(0, 0, -n) }
	for name, c := range map[string]struct {
		q    catalog.Query
		want []int
	}{
		"newest":            {catalog.Query{Limit: 3}, []int{0, 2, 4}},
		"until":             {catalog.Query{To: day(2), Limit: 2}, []int{4, 6}},
		"between":           {catalog.Query{From: day(404), To: day(400)}, []int{402, 404}},
		"over years":        {catalog.Query{From: day(370), To: day(362)}, []int{364, 366, 368, 370}},
		"before the first":  {catalog.Query{To: day(800)}, nil},
		"after the last":    {catalog.Query{From: newest.Add(time.Second)}, nil},
		"of the other kind": {catalog.Query{State: evidence.Sealed}, nil},
		"oldest":            {catalog.Query{State: evidence.Gapped, To: day(795)}, []int{796, 798}},
	} {
		c.q.Source, c.q.Pack = "prod", "cp-1"
		var got []int
		for r, err := range h.Records(t.Context(), c.q) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, int(newest.Sub(r.Due).Hours())/24)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
	}
}

// opened counts what is opened.
type opened struct {
	sink.Sink
	reports *atomic.Int64
}

func (o opened) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if _, name, _ := evidence.ParseKey(key); name != evidence.ManifestName && name != evidence.GapName {
		o.reports.Add(1)
	}
	return o.Sink.Open(ctx, key)
}

// TestSelection: verify reads what is selected, and finds what is wrong with it
// alone.
func TestSelection(t *testing.T) {
	t.Parallel()
	store, reports := sink.NewMemory(), new(atomic.Int64)
	h := newRig(t, fetcher.Settings{}, []sim.Pack{{ID: "cp-1"}, {ID: "cp-2"}}, archive.Target{Name: "a", Sink: opened{store, reports}}, archive.Target{Name: "b", Sink: sink.NewMemory()})
	at := due()
	for n := range 40 {
		for _, pack := range []string{"cp-1", "cp-2"} {
			if _, err := h.Seal(t.Context(), slot(pack, at.Add(-time.Duration(n)*time.Hour)), time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	}
	lost := slot("cp-1", at.Add(-100*time.Hour))
	for _, key := range []string{"stray.txt", lost.Dir() + "report-000000000000.xls"} {
		if err := store.Put(t.Context(), key, sink.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
	}
	one := evidence.Ref("prod", "cp-1")
	for name, c := range map[string]struct {
		archive.Selection
		sealed, problems int
	}{
		"everything": {archive.Selection{}, 160, 2},
		"a sink":     {archive.Selection{Sinks: []string{"b"}}, 80, 0},
		"a pack":     {archive.Selection{Packs: []archive.Span{{PackRef: one}, {PackRef: one}}}, 80, 1},
		"a period":   {archive.Selection{Packs: []archive.Span{{one, at.Add(-5 * time.Hour), at}}}, 10, 0},
		"the rest":   {archive.Selection{Packs: []archive.Span{{PackRef: one, To: at.Add(-5 * time.Hour)}}, Sinks: []string{"a"}}, 34, 1},
	} {
		last := archive.Progress{}
		c.Progress = func(p archive.Progress) { last = p }
		r, err := h.Verify(t.Context(), c.Selection)
		if err != nil || r.Sealed != c.sealed || len(r.Problems) != c.problems {
			t.Errorf("%s: %d sealed, %+v, %v", name, r.Sealed, r.Problems, err)
		}
		if last.Done != last.Of || last.Bytes != r.Bytes || last.Of == 0 {
			t.Errorf("%s: the last progress is %+v, of %d bytes", name, last, r.Bytes)
		}
	}
	reports.Store(0)
	r, err := h.Verify(t.Context(), archive.Selection{Sample: 0.3, Sinks: []string{"a"}})
	if n := int(reports.Load()); err != nil || r.Sealed != 80 || n+r.Skipped != 80 || n == 0 || n == 80 {
		t.Errorf("a sample: %d reports read, %+v, %v", n, r, err)
	}
	if _, err := h.Verify(t.Context(), archive.Selection{Sinks: []string{"c"}}); fault.Of(err) != fault.Request {
		t.Errorf("an unknown sink: %v", err)
	}
	if _, _, err := h.Read(t.Context(), lost); !errors.Is(err, sink.ErrNotExist) {
		t.Errorf("reading a slot that is not settled: %v", err)
	}
}
