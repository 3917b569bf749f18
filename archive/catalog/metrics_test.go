package catalog

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"packseal.example/internal/evidence"
)

// gathered returns what /metrics shows, without comments.
func gathered(t testing.TB, b *bench) (lines []string) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(b.Catalog)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		var text strings.Builder
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text.String()) {
			if !strings.HasPrefix(line, "#") {
				lines = append(lines, strings.TrimSuffix(line, "\n"))
			}
		}
	}
	return lines
}

// TestMetrics: a gauge is absent until it is known, and then as the archive says;
// counters are of this process.
func TestMetrics(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.set(gapRecord("cp-1", 0), sealedRecord("cp-1", 1), sealedRecord("cp-1", 2))
	b := inFolder(t, a, "cp-1", "ca-1/cp-2")
	const here = `packseal_slots_total{pack="ca-1/cp-2",result="gap",source="prod"} 0
packseal_slots_total{pack="ca-1/cp-2",result="sealed",source="prod"} 0
packseal_slots_total{pack="cp-1",result="gap",source="prod"} 0
packseal_slots_total{pack="cp-1",result="sealed",source="prod"} `
	if got := strings.Join(gathered(t, b), "\n"); got != here+"0" {
		t.Errorf("before anything is known:\n%s", got)
	}
	b.complete(t, "cp-1")
	b.complete(t, "ca-1/cp-2")
	b.Observe(Event{Record: sealedRecord("cp-1", 3), Local: true})
	b.Observe(Event{Record: sealedRecord("cp-1", 4)})
	r := sealedRecord("cp-1", 4)
	want := fmt.Sprintf(`packseal_archive_slots{pack="ca-1/cp-2",result="gap",source="prod"} 0
packseal_archive_slots{pack="ca-1/cp-2",result="sealed",source="prod"} 0
packseal_archive_slots{pack="cp-1",result="gap",source="prod"} 1
packseal_archive_slots{pack="cp-1",result="sealed",source="prod"} 4
packseal_last_gap_timestamp_seconds{pack="ca-1/cp-2",source="prod"} 0
packseal_last_gap_timestamp_seconds{pack="cp-1",source="prod"} %v
packseal_last_sealed_timestamp_seconds{pack="ca-1/cp-2",source="prod"} 0
packseal_last_sealed_timestamp_seconds{pack="cp-1",source="prod"} %v
packseal_report_bytes{pack="ca-1/cp-2",source="prod"} 0
packseal_report_bytes{pack="cp-1",source="prod"} %d
packseal_report_created_timestamp_seconds{pack="ca-1/cp-2",source="prod"} 0
packseal_report_created_timestamp_seconds{pack="cp-1",source="prod"} %v
`, float64(gapRecord("cp-1", 0).Settled.Unix()), float64(r.Settled.Unix()), r.Size, float64(r.Created.Unix())) + here + "1"
	if got := strings.Join(gathered(t, b), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if problems, err := testutil.CollectAndLint(b.Catalog); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	b.watch(a, "ca-1/cp-2")
	b.watch(a, "ca-1/cp-2", "cp-1")
	if got := strings.Join(gathered(t, b), "\n"); !strings.HasSuffix(got, here+"1") {
		t.Errorf("a counter has gone back:\n%s", got)
	}
}

// BenchmarkMetrics shows what a scrape of 100,000 packs costs.
func BenchmarkMetrics(b *testing.B) {
	const packs = 100_000
	c := inFolder(b, newArchive())
	refs := make([]evidence.PackRef, packs)
	for i := range refs {
		refs[i] = evidence.Ref("prod", fmt.Sprintf("cp-%012d", i))
	}
	c.Watch(newArchive(), refs)
	for _, p := range c.watched {
		p.knownFrom = never
		p.add(newRow(sealedRecord(p.key, 1)))
		p.add(newRow(gapRecord(p.key, 2)))
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(c.Catalog)
	for b.Loop() {
		if _, err := reg.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}

// dailyArchive has a sealed slot a day of every pack, and remembers nothing.
type dailyArchive int

func (dailyArchive) Identity() string { return "daily" }

func (days dailyArchive) List(_ context.Context, _, pack string, from, to time.Time) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		for n := max(0, int(from.Sub(start)/24/time.Hour)); n < int(days); n++ {
			s := slotOf(pack, n)
			if !to.IsZero() && !s.Due.Before(to) || !s.Due.Before(from) && !yield(Listed{s, evidence.Sealed}, nil) {
				return
			}
		}
	}
}

func (days dailyArchive) Record(_ context.Context, l Listed) (evidence.Record, error) {
	return sealedRecord(l.Pack, int(l.Due.Sub(start)/24/time.Hour)), nil
}

// BenchmarkHistory shows what it costs to read the history of 150 packs of three
// years into an empty database, and how large that is.
func BenchmarkHistory(b *testing.B) {
	const packs, days = 150, 3 * 365
	names := make([]string, packs)
	for i := range names {
		names[i] = fmt.Sprintf("cp-%012d", i)
	}
	for b.Loop() {
		c := inFolder(b, dailyArchive(days), names...)
		c.run()
		for _, n := range names {
			if _, err := c.LastSettled(b.Context(), "prod", n, time.Now(), 1); err != nil {
				b.Fatal(err)
			}
		}
		c.close()
		fi, err := os.Stat(c.file)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(fi.Size())/packs/days, "B/slot")
	}
}

// BenchmarkObserve shows what a settled slot costs.
func BenchmarkObserve(b *testing.B) {
	c := inFolder(b, newArchive(), "cp-1")
	n := 0
	for b.Loop() {
		c.Observe(Event{Record: sealedRecord("cp-1", n), Local: true})
		n++
	}
}

// TestImported: an imported report is known as such, also after a restart, and is as
// old as its slot: it does not show that reports are fetched. The times of imported
// reports tell nothing of a schedule.
func TestImported(t *testing.T) {
	t.Parallel()
	imported := sealedRecord("cp-1", 3)
	imported.Created, imported.LateSeconds, imported.Imported = time.Time{}, 0, "Li Wei"
	a := newArchive()
	a.set(gapRecord("cp-1", 0), sealedRecord("cp-1", 1), sealedRecord("cp-1", 2), imported)
	b := inFolder(t, a, "cp-1")
	b.complete(t, "cp-1")
	want := fmt.Sprintf(`packseal_last_sealed_timestamp_seconds{pack="cp-1",source="prod"} %v`, float64(imported.Due.Unix()))
	for range 2 {
		var got []evidence.Record
		for r, err := range b.Records(t.Context(), Query{Source: "prod", Pack: "cp-1", Limit: 2}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
		}
		if len(got) != 2 || got[0] != imported || got[1] != sealedRecord("cp-1", 2) {
			t.Errorf("got %+v", got)
		}
		if lines := gathered(t, b); !slices.Contains(lines, want) {
			t.Errorf("%s is not in %q", want, lines)
		}
	}
	before := imported.Due.Add(time.Second)
	dues, err := b.LastSettled(t.Context(), "prod", "cp-1", before, 2)
	if err != nil || !slices.Equal(dues, []time.Time{sealedRecord("cp-1", 2).Due, sealedRecord("cp-1", 1).Due}) {
		t.Errorf("the last settled slots are %v, %v", dues, err)
	}
	if dues, err := b.LastSettled(t.Context(), "prod", "cp-1", before, 5); err != nil || len(dues) != 3 {
		t.Errorf("all settled slots are %v, %v", dues, err)
	}
}
