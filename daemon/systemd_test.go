package daemon

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWatchdogIsFedByTurns: each sign of life of the scheduler feeds the
// watchdog, nothing else does, and a status is told when it changes.
func TestWatchdogIsFedByTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var turned time.Time
		var sent []string
		outlook := "starting"
		locked := func(f func()) {
			mu.Lock()
			defer mu.Unlock()
			f()
		}
		s := &systemd{
			every:   10 * time.Second,
			send:    func(state string) { locked(func() { sent = append(sent, state) }) },
			turned:  func() (at time.Time) { locked(func() { at = turned }); return at },
			outlook: func() (line string) { locked(func() { line = outlook }); return line },
		}
		ctx, stop := context.WithCancel(t.Context())
		go s.run(ctx)
		const extend = "EXTEND_TIMEOUT_USEC=60000000"
		for _, c := range []struct {
			what string
			do   func()
			want []string
		}{
			{"it starts", func() {}, append([]string{extend + "\nSTATUS=starting"}, slices.Repeat([]string{extend}, 5)...)},
			{"it turns", func() { turned = time.Now() }, []string{"WATCHDOG=1"}},
			{"it is stuck", func() {}, nil},
			{"it is stuck, and the status changes", func() { outlook = "next" }, []string{"STATUS=next"}},
			{"it turns again", func() { turned = time.Now() }, []string{"WATCHDOG=1"}},
			{"another begins, and turns not yet", func() { turned = time.Time{} }, nil},
			{"it turns", func() { turned, outlook = time.Now(), "later" }, []string{"WATCHDOG=1\nSTATUS=later"}},
		} {
			locked(c.do)
			time.Sleep(time.Minute)
			synctest.Wait()
			locked(func() {
				if diff := cmp.Diff(c.want, sent); diff != "" {
					t.Errorf("%s (-want +sent):\n%s", c.what, diff)
				}
				sent = nil
			})
		}
		stop()
		synctest.Wait()
		if diff := cmp.Diff([]string{"STOPPING=1\nSTATUS=stopping"}, sent); diff != "" {
			t.Error(diff)
		}
	})
}
