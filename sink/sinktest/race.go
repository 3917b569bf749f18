package sinktest

import (
	"sync"
	"testing"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// racers is how many goroutines put at once: more than there usually are cores,
// so that some are preempted in the middle of a Put.
const racers = 8

// race has all racers put their content under key at once, and returns their
// errors.
func race(t *testing.T, s sink.Sink, key string, content func(racer int) []byte) []error {
	t.Helper()
	errs := make([]error, racers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		c := sink.Bytes(content(i))
		wg.Go(func() {
			<-start
			errs[i] = s.Put(t.Context(), key, c)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// testRaceOther puts different content under one key: exactly one Put succeeds,
// the others fail with a conflict, and the object is that of the winner. Some
// keys are in directories that do not exist yet, as creating them can race too.
func testRaceOther(t *testing.T, s sink.Sink) {
	for _, key := range []string{"a", "new/folder/b", "new/folder/c", "d/e"} {
		content := func(racer int) []byte { return random(5000, byte(racer)) }
		winner := -1
		for i, err := range race(t, s, key, content) {
			switch {
			case err != nil:
				wantReason(t, "a loser's Put", err, fault.Conflict)
			case winner >= 0:
				t.Errorf("%s: both %d and %d won", key, winner, i)
			default:
				winner = i
			}
		}
		if winner < 0 {
			t.Fatalf("%s: nobody won", key)
		}
		wantBytes(t, s, key, content(winner))
		wantKeys(t, s, key, []string{key})
	}
}

// testRaceSame puts the same content under one key, as replicas do that process
// the same slot: all of them must succeed.
func testRaceSame(t *testing.T, s sink.Sink) {
	for key, b := range map[string][]byte{"a": random(5000, 1), "new/folder/b": {}, "large": random(large, 2)} {
		for i, err := range race(t, s, key, func(int) []byte { return b }) {
			if err != nil {
				t.Errorf("%s: racer %d: %v", key, i, err)
			}
		}
		wantBytes(t, s, key, b)
	}
}

// testConcurrent reads and lists concurrently, for the race detector.
func testConcurrent(t *testing.T, s sink.Sink) {
	b := random(300<<10, 1)
	mustPut(t, s, "r/k", b)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			if i%2 == 0 {
				wantBytes(t, s, "r/k", b)
			} else {
				wantKeys(t, s, "r/", []string{"r/k"})
			}
		})
	}
	wg.Wait()
}
