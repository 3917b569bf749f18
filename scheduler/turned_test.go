package scheduler

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurned: the loop shows that it lives every minute when nothing is due,
// and no longer when all its hands are stuck.
func TestTurned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		var plans []Plan
		for i := range parallel + 1 {
			p := plan(t, "30 2 * * *") // the bubble's time begins at 1:00 in Berlin
			p.Pack = fmt.Sprint("cp-", i)
			plans = append(plans, p)
		}
		o := w.options()
		o.Publish = func(ctx context.Context, _ Task) error {
			<-ctx.Done()
			return ctx.Err()
		}
		s := started(t, o, plans...)
		if !s.Turned().IsZero() {
			t.Errorf("turned at %s, before it ran", s.Turned())
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		for range 60 {
			time.Sleep(time.Minute + time.Millisecond)
			if ago := time.Since(s.Turned()); ago > time.Minute {
				t.Errorf("turned %s ago", ago)
			}
		}
		time.Sleep(2 * time.Hour) // it is half past two in between
		if ago := time.Since(s.Turned()); ago < time.Hour {
			t.Errorf("turned %s ago, while nothing could be published", ago)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
