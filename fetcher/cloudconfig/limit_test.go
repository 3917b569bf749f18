package cloudconfig

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestTimeLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api, user string
		want      time.Duration
	}{
		{"", "", 0},
		{"Limit:10,Remain:0,TimeLeft:1500,Reset:1", "", 1500 * time.Millisecond},
		{"", "TimeLeft:3000", 3 * time.Second},
		{" limit:1, timeleft: 20 ,x", "", 20 * time.Millisecond},
		{"Remain:0,TimeLeft:100", "Remain:0,TimeLeft:900", 900 * time.Millisecond},
		{"Remain:0,TimeLeft:100", "Remain:7,TimeLeft:90000", 100 * time.Millisecond},
		{"TimeLeft:9223372036854775807", "", maxPause},
		{"TimeLeft:-5", "TimeLeft:soon", 0},
		{"TimeLeft:99999999999999999999", "TimeLeft", 0},
	} {
		h := http.Header{}
		h.Set("x-ratelimit-user-api", c.api)
		h.Set("x-ratelimit-user", c.user)
		if got := timeLeft(h); got != c.want {
			t.Errorf("%q, %q: %s, want %s", c.api, c.user, got, c.want)
		}
	}
}

func TestSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(16)
		for range 10 { // calls that were under way together
			l.slow(time.Second)
		}
		if got := l.rate.Limit(); got != 8 {
			t.Errorf("the rate is %v, want half", got)
		}
		for range 10 {
			time.Sleep(time.Minute)
			l.slow(time.Hour) // bounded
			time.Sleep(maxPause)
		}
		if got := l.rate.Limit(); got != 1 {
			t.Errorf("the rate is %v, want a sixteenth", got)
		}
		if began := time.Now(); !l.wait(t.Context()) || time.Since(began) > time.Second {
			t.Errorf("waited %s after the pause", time.Since(began))
		}
	})
}

// TestPauseGrows: who waits already waits for the longer pause too.
func TestPauseGrows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1)
		l.slow(time.Second)
		time.AfterFunc(500*time.Millisecond, func() { l.slow(10 * time.Second) })
		began := time.Now()
		if !l.wait(t.Context()) || time.Since(began) < 10500*time.Millisecond {
			t.Errorf("waited %s", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for range 2 {
			if l.wait(ctx) {
				t.Error("a call starts after its end")
			}
		}
	})
}

func BenchmarkWait(b *testing.B) {
	l := newLimiter(1e12)
	for b.Loop() {
		l.wait(b.Context())
	}
}
