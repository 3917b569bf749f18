//go:build scale

// Package scale measures packseal with many packs and with several processes.
// It runs the program as its users do, as processes of its own, against a
// simulated Config API in the measuring process, and afterwards reads the
// archive by none of the program's code: a figure counts only when each slot
// is sealed once and nothing is left. docs/scaling.md has the figures.
//
//	PACKSEAL_PACKS    how many packs; default 200
//	PACKSEAL_JITTER   within which time they start; default 0s, all at once
//	PACKSEAL_SOURCES  of TestPacks: how many sources they are dealt out to; default 1
//	PACKSEAL_FLIGHT   of TestPacks: max_in_flight of each; default 256
//	PACKSEAL_RATE     of TestPacks: requests_per_second of each; default 100,000
//
// Tests run side by side, which does for correctness. To measure, say
// -parallel 1, and -v for the figures.
package scale

import (
	"cmp"
	"os"
	"strconv"
	"testing"
	"time"

	"packseal.example/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// number is a parameter of the measurement.
func number(t *testing.T, name string, standard int) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(name), strconv.Itoa(standard)))
	if err != nil || n < 1 {
		t.Fatalf("%s: %q is not a number from 1", name, os.Getenv(name))
	}
	return n
}

// jitter is within which time the packs start.
func jitter(t *testing.T) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(cmp.Or(os.Getenv("PACKSEAL_JITTER"), "0s"))
	if err != nil || d < 0 {
		t.Fatalf("PACKSEAL_JITTER: %q is not a time such as 1h", os.Getenv("PACKSEAL_JITTER"))
	}
	return d
}
