package fetcher_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/fault"
)

// The errors of Lookup while there is no report.
var (
	errMaking = fault.New(fault.NotReady, "generating")
	errStale  = fault.Wrap(fault.NotReady, fmt.Errorf("nothing new: %w", fetcher.ErrStale))
)

// script is what Lookup returns, and for how long, from the first call on.
type script []struct {
	err     error // nil if the report is ready
	minutes int
}

// The report is requested again, as a new attempt, if the source has not been
// generating it for StaleAfter.
func TestRequestsAgain(t *testing.T) {
	t.Parallel()
	const staleAfter = 5
	for name, c := range map[string]struct {
		attached bool
		script   script
		attempts []int
	}{
		"made at once":          {false, script{{nil, 0}}, []int{0}},
		"made slowly":           {false, script{{errMaking, 600}}, []int{0}},
		"begun late":            {false, script{{errStale, staleAfter - 1}, {errMaking, 10}}, []int{0}},
		"stale too long":        {false, script{{errStale, staleAfter + 1}}, []int{0, 1}},
		"stale for long":        {false, script{{errStale, 3*staleAfter + 3}}, []int{0, 1, 2, 3}},
		"stale time and again":  {false, script{{errStale, 4}, {errMaking, 1}, {errStale, 4}, {errMaking, 1}, {errStale, 4}}, []int{0}},
		"attached, in time":     {true, script{{errMaking, 10}}, []int{0}},
		"attached too early":    {true, script{{errMaking, 10}, {errStale, 1}}, []int{0, 1}},
		"attached, then silent": {true, script{{errStale, 2 + staleAfter}}, []int{0, 1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				src := &source{
					// Only the first request finds a report being generated.
					generate: func(ticket fetcher.Ticket) (fetcher.Ticket, error) {
						ticket.Attached = c.attached && ticket.Attempt == 0
						return ticket, nil
					},
					lookup: func(int, fetcher.Ticket) (fetcher.Link, error) {
						at := time.Since(start)
						for _, step := range c.script {
							if at -= time.Duration(step.minutes) * time.Minute; at < 0 {
								return fetcher.Link{}, step.err
							}
						}
						return linkTo("https://bucket.example.com/r.xls"), nil
					},
				}
				h := newFixture(t, src, &store{answer: good}, fetcher.Settings{StaleAfter: staleAfter * time.Minute, PollMax: 10 * time.Second})
				r, err := h.fetch(t.Context(), t)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(src.attempts, c.attempts) || r.Attempt != len(c.attempts)-1 {
					t.Errorf("attempts were %v, want %v; the report is of %d", src.attempts, c.attempts, r.Attempt)
				}
				if len(c.attempts) > 1 && r.Attached {
					t.Error("the report counts as attached")
				}
			})
		})
	}
}

// A report that the source could not generate is requested again, later each time,
// and not for ever, also over restarts.
func TestRequestsAfterFailure(t *testing.T) {
	t.Parallel()
	for _, failures := range []int{1, 3, 99} {
		t.Run(fmt.Sprint(failures), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				failed := fault.New(fault.Unavailable, "%w: it timed out", fetcher.ErrFailed)
				src := &source{lookup: func(_ int, ticket fetcher.Ticket) (fetcher.Link, error) {
					if ticket.Attempt < failures {
						return fetcher.Link{}, failed
					}
					return linkTo("https://bucket.example.com/r.xls"), nil
				}}
				h := newFixture(t, src, &store{answer: good}, fetcher.Settings{})
				start := time.Now()
				for range 3 {
					ctx, stop := context.WithTimeout(t.Context(), 20*time.Second) // a restart
					h.fetch(ctx, t)
					stop()
				}
				r, err := h.fetch(t.Context(), t)
				if failures > 3 {
					if !errors.Is(err, fetcher.ErrFailed) || !fault.Transient(err) || len(src.attempts) != 4 {
						t.Errorf("%v after the attempts %v", err, src.attempts)
					}
					return
				}
				if err != nil || r.Failures != failures || len(src.attempts) != failures+1 || time.Since(start) < time.Duration(failures)*15*time.Second {
					t.Errorf("%v after the attempts %v in %s, %d failures", err, src.attempts, time.Since(start), r.Failures)
				}
			})
		})
	}
}

// A ticket that was saved before its request is dropped if nothing was requested, in
// favour of the one before.
func TestNotRequested(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var saved bool
		var h *fixture
		src := &source{sends: true, lookup: func(int, fetcher.Ticket) (fetcher.Link, error) { return fetcher.Link{}, errStale }}
		src.generate = func(ticket fetcher.Ticket) (fetcher.Ticket, error) {
			for s := range h.spool.Unfinished() {
				saved = s == aSlot
			}
			if ticket.Attempt != 1 {
				return ticket, fault.New(fault.Denied, "no right")
			}
			return ticket, nil
		}
		h = newFixture(t, src, &store{answer: good}, fetcher.Settings{StaleAfter: time.Minute})
		ticket := func() (fetcher.Ticket, bool) {
			e, err := h.spool.Lock(t.Context(), aSlot)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			return e.Ticket()
		}
		if _, err := h.fetch(t.Context(), t); fault.Of(err) != fault.Denied || !saved {
			t.Errorf("%v, saved %t", err, saved)
		}
		if got, ok := ticket(); ok {
			t.Errorf("there is a ticket, %+v", got)
		}
		e, err := h.spool.Lock(t.Context(), aSlot)
		if err == nil {
			err = errors.Join(e.SaveTicket(fetcher.Ticket{Slot: aSlot, ReportID: "crp-1"}), e.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.fetch(t.Context(), t); fault.Of(err) != fault.Denied {
			t.Errorf("got %v", err)
		}
		if got, ok := ticket(); !ok || got.Attempt != 1 || len(src.attempts) != 3 {
			t.Errorf("the ticket is %+v after the attempts %v", got, src.attempts)
		}
	})
}

// A later try of the slot resumes where the earlier one ended.
func TestResume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &source{lookup: func(int, fetcher.Ticket) (fetcher.Link, error) { return fetcher.Link{}, errMaking }}
		h := newFixture(t, src, &store{answer: good}, fetcher.Settings{})
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if _, err := h.fetch(ctx, t); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "waiting for the report") {
			t.Errorf("got %v", err)
		}
		looked := src.lookups

		src.lookup = always(linkTo("https://bucket.example.com/r.xls"))
		first, err := h.fetch(t.Context(), t)
		if err != nil || src.lookups != looked+1 || len(src.attempts) != 1 {
			t.Errorf("%v; %d more lookups, %d reports requested", err, src.lookups-looked, len(src.attempts))
		}

		again, err := h.fetch(t.Context(), t)
		if err != nil || again.SHA256 != first.SHA256 || !again.Fetched.Equal(first.Fetched) || len(h.store.seen) != 1 || src.lookups != looked+1 {
			t.Errorf("fetched again: %+v, %v, %d downloads", again, err, len(h.store.seen))
		}
	})
}

// The intervals between lookups grow from PollMin to PollMax.
func TestPolls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const longest = 10 * time.Second
		var waits []time.Duration
		last := time.Now()
		src := &source{lookup: func(n int, _ fetcher.Ticket) (fetcher.Link, error) {
			if n > 0 {
				waits = append(waits, time.Since(last))
			}
			last = time.Now()
			if n < 20 {
				return fetcher.Link{}, errMaking
			}
			return linkTo("https://bucket.example.com/r.xls"), nil
		}}
		h := newFixture(t, src, &store{answer: good}, fetcher.Settings{PollMin: time.Second, PollMax: longest})
		if _, err := h.fetch(t.Context(), t); err != nil {
			t.Fatal(err)
		}
		for i, wait := range waits {
			most := min(time.Second<<i, longest)
			if wait < most/2 || wait > most {
				t.Errorf("wait %d took %s, want between %s and %s", i, wait, most/2, most)
			}
		}
	})
}

// Errors of the source are returned with what was being done.
func TestSourceFails(t *testing.T) {
	t.Parallel()
	denied := fault.New(fault.Denied, "no right").WithHint("grant it")
	for want, src := range map[string]*source{
		"requesting the report: no right": {generate: func(t fetcher.Ticket) (fetcher.Ticket, error) { return t, denied }},
		"looking up the report: no right": {lookup: func(int, fetcher.Ticket) (fetcher.Link, error) { return fetcher.Link{}, denied }},
	} {
		h := newFixture(t, src, &store{answer: good}, fetcher.Settings{})
		if _, err := h.fetch(t.Context(), t); err == nil || err.Error() != want || fault.Of(err) != fault.Denied || fault.Hint(err) != "grant it" {
			t.Errorf("got %v, want %s", err, want)
		}
		if len(src.attempts) != 1 {
			t.Errorf("%d reports were requested", len(src.attempts))
		}
	}
}

func TestNewRequires(t *testing.T) {
	t.Parallel()
	for _, o := range []fetcher.Options{{Logger: discard}, {Source: new(source)}} {
		if _, err := fetcher.New(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}
