package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
	"packseal.example/test/lab"
)

// day is a day in which packs come and go.
type day struct {
	hours    int           // how many it has
	perHour  int           // packs come in each of them
	life     int           // and go after so many
	hour     time.Duration // how long one takes
	schedule string        // of the packs
}

// aDay is what TestDiscoverDay takes for one. With the tag scale it is one of 1,000
// packs.
var aDay = day{hours: 5, perHour: 10, life: 2, hour: time.Second, schedule: `"@every 4s", jitter: 2s`}

// TestDiscoverDay has packs come and go for a day that is soon over: each slot that
// was due by the plans is sealed or recorded as a gap, and the queue's server goes on.
func TestDiscoverDay(t *testing.T) {
	t.Parallel()
	hours, perHour, life := aDay.hours, aDay.perHour, aDay.life
	id := func(i int) string { return fmt.Sprintf("cp-%020d", i) }
	l := lab.New(t, prodPack(id(0), "the first"))
	l.Configure(lab.Setup{
		Source: "requests_per_second: 10000, max_in_flight: 500", Discover: `refresh: "@yearly", rules: [` + prodRule + "]",
		Defaults: "schedule: " + aDay.schedule + ", catch_up: 1h, timeout: 1m",
	})
	s := lab.Setup{Dir: l.Dir}
	var log lab.Buffer
	d := start(t, filepath.Join(l.Dir, "packseal.yaml"), &log)
	d.kept(t, id(0))
	before, err := d.services.Load().queue.get()
	if err != nil {
		t.Fatal(err)
	}
	began, came, went := time.Now(), 1, 0
	for hour := range hours {
		for range perHour {
			if err := l.Add(sim.Pack{ID: id(came), Tags: map[string]string{"env": "prod"}}); err != nil {
				t.Fatal(err)
			}
			came++
		}
		for hour >= life && went < came-life*perHour {
			l.Remove(id(went))
			went++
		}
		for range 2 { // a pack is gone after two listings
			if got := found(t, s, true); got[id(came-1)] != "kept" {
				t.Errorf("hour %d: the last pack that came is not kept", hour)
			}
		}
		if n := len(d.packs(t)); n != came-went {
			t.Errorf("hour %d: %d packs are kept of %d", hour, n, came-went)
		}
		d.rest(t, began.Add(time.Duration(hour+1)*aDay.hour))
	}
	d.await(t, 1)
	if after, err := d.services.Load().queue.get(); err != nil || after != before {
		t.Errorf("the queue was opened anew: %v", err)
	}
	d.stop()
	result := clean(t, s)
	t.Logf("%d packs came and %d went in %s: %d slots sealed, %d gaps, %d plans", came, went, time.Since(began).Round(time.Second), result.Sealed, result.Gaps, plansOf(t, s))
	for i := went; i < came; i++ {
		if lost := lostSlots(t, s, id(i)); len(lost) > 0 {
			t.Errorf("pack %d is there, and has %v", i, lost)
		}
	}
	if result.Sealed+result.Gaps < came-went || result.Sealed == 0 {
		t.Errorf("%d packs stay, %d slots were sealed, %d are gaps", came-went, result.Sealed, result.Gaps)
	}
	for _, bad := range []string{"another plan", "panic", "queue reopening", "not in force"} {
		if strings.Contains(log.String(), bad) {
			t.Errorf("the log says: %s", bad)
		}
	}
}

// rest looks at the daemon until then.
func (d *live) rest(t *testing.T, until time.Time) {
	t.Helper()
	lab.Eventually(t, "an hour has passed", func() bool { return !time.Now().Before(until) })
}

// lostSlots returns the gaps of a pack that are nobody's doing but the scheduler's.
func lostSlots(t *testing.T, s lab.Setup, key string) (lost []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Dir, "archive", "prod", key, "*", "*", "*", "gap.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, reason := range []string{"missed", "absent", "not_found"} {
			if strings.Contains(string(b), `"reason":"`+reason+`"`) {
				lost = append(lost, string(b))
			}
		}
	}
	return lost
}
