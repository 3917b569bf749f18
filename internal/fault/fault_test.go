package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"
)

func TestOf(t *testing.T) {
	t.Parallel()
	inner := New(Denied, "no")
	for name, c := range map[string]struct {
		err  error
		want Reason
	}{
		"nil":                 {nil, ""},
		"bare":                {io.EOF, Internal},
		"made":                {inner, Denied},
		"wrapped":             {fmt.Errorf("listing: %w", inner), Denied},
		"outermost counts":    {Wrap(Deadline, inner), Deadline},
		"joined":              {errors.Join(io.EOF, inner), Denied},
		"canceled":            {fmt.Errorf("x: %w", context.Canceled), Canceled},
		"out of time":         {fmt.Errorf("x: %w", context.DeadlineExceeded), Deadline},
		"classified time-out": {Wrap(Unavailable, context.DeadlineExceeded), Unavailable},
	} {
		if got := Of(c.err); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	all := Reasons()
	if slices.Sort(all); len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("a reason twice: %v", all)
	}
	transient := 0
	for _, r := range all {
		if r == "" || len(r) > 32 {
			t.Errorf("reason %q", r)
		}
		if r.Transient() {
			transient++
		}
		if Transient(New(r, "x")) != r.Transient() {
			t.Errorf("%s: Transient differs", r)
		}
	}
	if transient != 9 {
		t.Errorf("%d reasons pass by themselves, want 9", transient)
	}
	if Reason("unknown").Transient() || Transient(nil) || Transient(io.EOF) {
		t.Error("an unclassified error is transient")
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	if Wrap(Denied, nil) != nil {
		t.Error("no error becomes one")
	}
	e := New(Denied, "reading %s: %w", "x", io.EOF).WithHint("grant %s", "y")
	if e.Error() != "reading x: EOF" || !errors.Is(e, io.EOF) || Hint(e) != "grant y" {
		t.Errorf("got %q, hint %q", e, Hint(e))
	}
	e.RetryAfter = time.Second
	if RetryAfter(fmt.Errorf("x: %w", e)) != time.Second || RetryAfter(io.EOF) != 0 || RetryAfter(nil) != 0 {
		t.Error("RetryAfter is lost or made up")
	}
}

func TestHint(t *testing.T) {
	t.Parallel()
	deep := fmt.Errorf("b: %w", Wrap(Deadline, fmt.Errorf("a: %w", New(Denied, "x").WithHint("do"))))
	for want, err := range map[string]error{"do": deep, "": errors.Join(io.EOF, New(Denied, "x"))} {
		if got := Hint(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if outer := (&Error{Reason: Deadline, Err: deep, Hint: "first"}); Hint(outer) != "first" || Hint(nil) != "" {
		t.Errorf("got %q", Hint(outer))
	}
}

func TestEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(New(Overlap, "the next one is due"))
	if err := Ended(ctx, "x"); Of(err) != Overlap {
		t.Errorf("got %q", Of(err))
	}
	late, stop := context.WithTimeout(t.Context(), 0)
	defer stop()
	if err := Ended(late, "x"); Of(err) != Deadline {
		t.Errorf("got %q", Of(err))
	}
}
