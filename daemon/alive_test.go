package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/internal/fault"
)

// TestAlive: that the daemon did not run is said only of times between two signs of
// life, and that it did only of times between two that follow each other.
func TestAlive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		begin := func(shared bool) *alive {
			t.Helper()
			a := openAlive(dir, shared)
			if err := a.beat(time.Now().UTC(), false); err != nil {
				t.Fatal(err)
			}
			return a
		}
		beat := func(a *alive, stopped bool) {
			t.Helper()
			if err := a.beat(time.Now().UTC(), stopped); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		a := begin(false)
		for range 10 {
			time.Sleep(aliveEvery)
			beat(a, false)
		}
		crashed := time.Now()
		time.Sleep(time.Hour)
		a = begin(false)
		for range 10 {
			time.Sleep(aliveEvery)
			beat(a, false)
		}
		suspended := time.Now()
		time.Sleep(time.Hour)
		beat(a, false)
		time.Sleep(aliveEvery)
		beat(a, true)
		stopped := time.Now()
		time.Sleep(time.Hour)
		a = begin(false)
		for name, c := range map[string]struct {
			at   time.Time
			want fault.Reason
			says string
		}{
			"before the record":       {start.Add(-time.Second), fault.Absent, "not known"},
			"while it ran":            {start.Add(95 * time.Second), fault.Absent, "although the daemon was running"},
			"maybe before the crash":  {crashed.Add(aliveEvery / 2), fault.Absent, "not known"},
			"after the crash":         {crashed.Add(10 * time.Minute), fault.Missed, "not running"},
			"while it was suspended":  {suspended.Add(10 * time.Minute), fault.Missed, "not running"},
			"right after it stopped":  {stopped.Add(time.Second), fault.Missed, "not running"},
			"before it stopped":       {stopped.Add(-time.Second), fault.Absent, "although the daemon was running"},
			"after the latest signal": {time.Now().Add(time.Second), fault.Absent, "not known"},
		} {
			if got, says := a.missed(c.at); got != c.want || !strings.Contains(says, c.says) {
				t.Errorf("%s: %s, %s", name, got, says)
			}
		}
		if got, says := begin(true).missed(crashed.Add(10 * time.Minute)); got != fault.Absent || !strings.Contains(says, "this replica") {
			t.Errorf("of others it knows: %s, %s", got, says)
		}
		a.runs = slices.Repeat(a.runs, aliveMost)
		beat(a, false)
		if n := len(begin(false).runs); n != aliveMost {
			t.Errorf("%d intervals are kept", n)
		}
		if err := os.WriteFile(filepath.Join(dir, "alive.json"), []byte("[{"), 0o640); err != nil {
			t.Fatal(err)
		}
		if got, _ := begin(false).missed(crashed.Add(10 * time.Minute)); got != fault.Absent {
			t.Errorf("a damaged record knows: %s", got)
		}
	})
}
