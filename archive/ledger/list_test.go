package ledger_test

import (
	"testing"

	"packseal.example/archive/ledger"
	"packseal.example/archive/ledger/tree"
)

// TestListFrom: names sort otherwise than numbers from a million on, and all numbers from
// one on are listed nevertheless.
func TestListFrom(t *testing.T) {
	t.Parallel()
	all := []int64{0, 7, 999, 1000, 2000, 999_500, 999_999, 1_000_000, 1_000_001, 1_001_000, 1_999_999, 2_000_000, 2_000_001, 12_345_678}
	for dir, rest := range map[string]string{tree.BatchDir: "", tree.StampDir: "/tsa.tsr"} {
		s := newStore()
		for _, n := range all {
			s.set(dir+tree.Number(n)+rest, []byte("x"))
		}
		for from, to := range map[int64]int64{0: 1 << 40, 1: 999_999, 1001: 999_999, 999_500: 1_999_999, 999_999: 1_999_999, 1_000_000: 1_999_999, 1_000_001: 1_999_999, 1_999_999: 2_999_999, 2_000_000: 2_999_999, 12_345_678: 1 << 40} {
			listed := make(map[int64]int)
			for e, err := range ledger.ListFrom(t.Context(), s, dir, from) {
				if err != nil {
					t.Fatal(err)
				}
				n, ok := tree.ParseNumber(e.Key[len(dir) : len(e.Key)-len(rest)])
				if listed[n]++; !ok || listed[n] > 1 {
					t.Errorf("%s from %d: %s", dir, from, e.Key)
				}
			}
			for _, n := range all {
				if n >= from && n <= to && listed[n] == 0 {
					t.Errorf("%s from %d: %d is not listed", dir, from, n)
				}
			}
		}
		for range ledger.ListFrom(t.Context(), s, dir, 999_999) {
			break // it yields no more
		}
	}
}
