package replica

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/internal/fault"
)

// newLease returns the lease of a replica that reaches the bucket by a link of
// its own.
func newLease(kv *fakeKV, name string) (*Lease, *faultyLink) {
	link := &faultyLink{fakeKV: kv}
	return &Lease{
		timing: Timing{}.withDefaults(), key: "lease.test", name: name, bucket: &Bucket{link}, log: slog.New(slog.DiscardHandler),
	}, link
}

// run runs the lease and returns what ends it and waits.
func (l *Lease) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Run(ctx); close(done) }()
	return func() { cancel(); <-done }
}

// holders returns which of the leases are held.
func holders(all ...*Lease) (held []string) {
	for _, l := range all {
		if l.Held() {
			held = append(held, l.name)
		}
	}
	return held
}

// TestLease: one of three replicas holds it; when that one ends another one
// takes it within a retry period, and when one is cut off, another one after the
// lease duration, and never two at once.
func TestLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kv := new(fakeKV)
		want := func(when string, all []*Lease, want string) {
			t.Helper()
			synctest.Wait()
			if got := fmt.Sprint(holders(all...)); got != want {
				t.Errorf("%s it is held by %s, not %s", when, got, want)
			}
		}
		a, _ := newLease(kv, "a")
		b, link := newLease(kv, "b")
		c, _ := newLease(kv, "c")
		stopA := a.run(t)
		synctest.Wait()
		stopB := b.run(t)
		time.Sleep(time.Second)
		stopC := c.run(t)
		all := []*Lease{a, b, c}
		for range 100 {
			want("at first", all, "[a]")
			time.Sleep(time.Second)
		}
		stopA()
		want("right after the holder has ended", all, "[]")
		time.Sleep(a.timing.RetryPeriod)
		want("soon after", all, "[b]")
		link.cut = true
		for cut := time.Now(); time.Since(cut) < 40*time.Second; time.Sleep(time.Second) {
			synctest.Wait()
			held := fmt.Sprint(holders(all...))
			switch passed := time.Since(cut); {
			case passed < b.timing.RenewDeadline-b.timing.RetryPeriod && held != "[b]",
				passed > b.timing.RenewDeadline && passed < b.timing.LeaseDuration-b.timing.RetryPeriod && held != "[]",
				passed > b.timing.LeaseDuration+b.timing.RetryPeriod && held != "[c]":
				t.Errorf("%s after it was cut off it is held by %s", passed, held)
			}
		}
		link.cut = false
		time.Sleep(10 * time.Second)
		want("when it is back", all, "[c]")
		stopB()
		stopC()
		if kv.value != nil {
			t.Errorf("in the end it is not released: %s", kv.value)
		}
	})
}

// TestLeaseClocks: a holder whose machine was suspended, or whose clock was set,
// does not take itself for the holder until it has asked.
func TestLeaseClocks(t *testing.T) {
	t.Parallel()
	kv := new(fakeKV)
	l, _ := newLease(kv, "a")
	other, _ := newLease(kv, "b")
	try := func(l *Lease, held bool) {
		t.Helper()
		if err := l.try(t.Context()); err != nil || l.Held() != held {
			t.Errorf("%s holds it: %t, want %t: %v", l.name, l.Held(), held, err)
		}
	}
	try(l, true)
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		l.set(time.Now().Round(0).Add(by)) // without the monotonic reading
		if l.Held() {
			t.Errorf("held, although the clock was set by %v", by)
		}
		try(l, true)
	}
	for range 3 {
		try(other, false)
	}
	other.since = time.Now().Add(-other.timing.LeaseDuration)
	try(other, true)
	try(l, false)
}

// TestLeaseNeverTwice lets three replicas acquire, be cut off, be suspended and
// be restarted, with writes that get lost or arrive late. Never do two hold the
// lease, and in the end one does.
func TestLeaseNeverTwice(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			kv, quiet := new(fakeKV), false
			kv.failure = func() failure {
				if how := failure(rng.IntN(8)); !quiet && how <= late {
					return how
				}
				return none
			}
			var leases [3]*Lease
			var links [3]*faultyLink
			for i := range leases {
				leases[i], links[i] = newLease(kv, fmt.Sprint("r", i))
			}
			for step := range 2000 {
				quiet = step > 1900
				i := rng.IntN(3)
				switch k := rng.IntN(20); {
				case k < 12:
					leases[i].try(t.Context()) //nolint:errcheck // some fail
				case k < 15 || quiet:
					fault.Sleep(t.Context(), time.Duration(rng.Int64N(int64(5*time.Second))))
				case k < 16:
					links[i].cut = !links[i].cut
				case k < 17 && len(kv.late) > 0:
					kv.late[0]()
					kv.late = kv.late[1:]
				case k < 18: // as after kill -9
					leases[i], links[i] = newLease(kv, fmt.Sprint("r", i))
				case k < 19:
					fault.Sleep(t.Context(), time.Duration(rng.Int64N(int64(time.Minute))))
				}
				if quiet {
					links[i].cut = false
				}
				if held := holders(leases[:]...); len(held) > 1 {
					t.Fatalf("seed %d, step %d: held by %v", seed, step, held)
				}
			}
			for range 20 {
				for _, l := range leases {
					l.try(t.Context()) //nolint:errcheck // it is held in the end
				}
				fault.Sleep(t.Context(), 2*time.Second)
			}
			if held := holders(leases[:]...); len(held) != 1 {
				t.Errorf("seed %d: in the end it is held by %v", seed, held)
			}
		})
	}
}
