package sinktest

import (
	"sync"
	"testing"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// racers is how many put at once: more than a machine of these tests has
// cores, so that some are always between two of their steps.
const racers = 8

// race lets each racer put its content under key, all at once, and returns
// what came of it.
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

// testRaceOfOthers has everybody put bytes of his own under one key: there is
// exactly one winner, every loser is told so, and what is read is whole and
// the winner's. Folders that none of the racers finds there are part of it,
// because making them is a step in which file systems race, too.
func testRaceOfOthers(t *testing.T, s sink.Sink) {
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

// testRaceOfSame has everybody put the same bytes, as replicas do that work on
// one slot, or one that tries again while its first try is still under way:
// nobody may be told of a conflict that there is none.
func testRaceOfSame(t *testing.T, s sink.Sink) {
	for key, b := range map[string][]byte{"a": random(5000, 1), "new/folder/b": {}, "large": random(large, 2)} {
		for i, err := range race(t, s, key, func(int) []byte { return b }) {
			if err != nil {
				t.Errorf("%s: racer %d: %v", key, i, err)
			}
		}
		wantBytes(t, s, key, b)
	}
}

// testReadTogether reads and lists side by side. With -race it finds state
// that a backend shares between calls.
func testReadTogether(t *testing.T, s sink.Sink) {
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
