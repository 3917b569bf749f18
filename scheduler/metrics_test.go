package scheduler

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestOwedSince: nothing is owed before a pack's first slot, nor is anything
// said of it before the archive was read.
func TestOwedSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(90 * time.Minute)
		began := time.Now()
		w := &world{}
		p := plan(t, "@every 1h")
		p.CatchUp = 0
		shows := func(s *Scheduler, want time.Time) {
			t.Helper()
			synctest.Wait()
			if got, ok := s.packs[p.key()].owed(); ok == want.IsZero() || ok && !got.Equal(want) {
				t.Errorf("owed since %v, %t, want %v", got, ok, want.UTC())
			}
		}
		running(t, w, func(s *Scheduler) {
			shows(s, time.Time{})
			time.Sleep(2 * time.Hour)
			shows(s, began.Add(30*time.Minute))
		}, p)
		w.history = w.dues()
		w.sinkDown = true
		running(t, w, func(s *Scheduler) {
			time.Sleep(time.Hour)
			shows(s, time.Time{})
			w.lock(func() { w.sinkDown = false })
			time.Sleep(5 * time.Minute)
			shows(s, began.Add(30*time.Minute))
		}, p)
	})
}

// TestLastDueHonoursSince: a slot from before since is none of the pack's.
func TestLastDueHonoursSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := plan(t, "@every 1h")
		p.Since = time.Now().Add(30 * time.Minute)
		running(t, &world{}, func(s *Scheduler) {
			if last, _ := s.Due(p.Source, p.Pack); !last.IsZero() {
				t.Errorf("a slot was due at %v already", last)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if last, _ := s.Due(p.Source, p.Pack); last.Before(p.Since) {
				t.Errorf("the latest slot was due at %v", last)
			}
		}, p)
	})
}
