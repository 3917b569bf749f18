package fetcher_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/fetcher"
)

// All series exist from the start. The stages are measured.
func TestMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &source{
			generate: func(ticket fetcher.Ticket) (fetcher.Ticket, error) {
				time.Sleep(2 * time.Second)
				return ticket, nil
			},
			lookup: func(n int, _ fetcher.Ticket) (fetcher.Link, error) {
				if n == 0 {
					return fetcher.Link{}, errMaking
				}
				return linkTo("https://bucket.example.com/r.xls"), nil
			},
		}
		h := newFixture(t, src, &store{answer: good}, fetcher.Settings{PollMin: time.Minute, PollMax: time.Minute})
		for name, want := range map[string]int{"packseal_slot_duration_seconds": 4, "packseal_link_remaining_seconds": 1, "packseal_link_refreshes_total": 1} {
			if n, err := testutil.GatherAndCount(h.reg, name); n != want || err != nil {
				t.Errorf("%d series of %s at the start, want %d; %v", n, name, want, err)
			}
		}
		if problems, err := testutil.GatherAndLint(h.reg); err != nil || len(problems) > 0 {
			t.Errorf("lint: %v, %v", problems, err)
		}
		if _, err := h.fetch(t.Context(), t); err != nil {
			t.Fatal(err)
		}
		// Two seconds of the request, and one interval of 30 to 60 s.
		if took, n := h.value(t, "packseal_slot_duration_seconds"); n != 3 || took < 32 || took > 62 {
			t.Errorf("%d stages took %v s", n, took)
		}
	})
}
