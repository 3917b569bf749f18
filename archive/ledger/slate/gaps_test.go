package slate_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"packseal.example/archive/ledger/slate"
)

func TestGaps(t *testing.T) {
	t.Parallel()
	span := func(from, until int) slate.Span {
		return slate.Span{From: day(from, 0, 0, 0), Until: day(until, 0, 0, 0)}
	}
	for _, c := range []struct {
		name          string
		windows, want []slate.Span
	}{
		{"none", nil, nil},
		{"contiguous, in any order", []slate.Span{span(2, 3), span(1, 2), span(3, 9)}, nil},
		{"overlapping", []slate.Span{span(1, 5), span(2, 3), span(4, 9)}, nil},
		{"holes", []slate.Span{span(1, 2), span(3, 4), span(6, 7)}, []slate.Span{span(2, 3), span(4, 6)}},
		{"a hole after one within another", []slate.Span{span(1, 9), span(2, 3), span(10, 11)}, []slate.Span{span(9, 10)}},
	} {
		if d := cmp.Diff(c.want, slate.Gaps(c.windows)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// TestUnslated: whatever is not said of a time is found.
func TestUnslated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShared(t)
		r := s.replica(t)
		unslated := func() string {
			t.Helper()
			r.entries()
			problems, err := slate.Unslated(t.Context(), r.ledger.Entries(t.Context()), r.ledger, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, p := range problems {
				all = append(all, p.Detail)
				if p.Key != "" && r.lacks(p.Key) != strings.Contains(p.Detail, "can't be read") {
					t.Errorf("%+v is of a slate that is there, or not", p)
				}
			}
			return strings.Join(all, "; ")
		}
		for _, p := range s.planned(t, planned("cp-1", "0 2 * * *")) {
			if err := r.ledger.LogRecord(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(59 * time.Minute)
		if got := unslated(); got != "" {
			t.Errorf("with a plan that is new: %s", got)
		}
		time.Sleep(2 * time.Minute)
		if got := unslated(); got != "the ledger has plans, and no slate says what falls due by them" {
			t.Errorf("with a plan alone: %s", got)
		}
		for range 3 {
			r.write()
			if got := unslated(); got != "" {
				t.Errorf("with slates: %s", got)
			}
			time.Sleep(4 * 24 * time.Hour)
			if got := unslated(); !strings.HasPrefix(got, "no slate says what falls due after 2000-01-") || strings.Contains(got, ";") {
				t.Errorf("after four days: %s", got)
			}
		}
		r.write()
		all := r.contiguous()
		key, _, _ := all[1].Encode()
		s.lost[key] = true
		want := fmt.Sprintf("the slate can't be read: no sink has %s as it was logged; no slate says what fell due %s", key, slate.Window(all[1]))
		if got := unslated(); got != want {
			t.Errorf("without a slate: %s", got)
		}
	})
}
