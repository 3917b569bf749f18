package fetcher_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/fault"
)

// drip is a body of which one byte comes at a time, as long as there are any.
// It ends when as many have come as it owes; else it says nothing more.
type drip struct {
	ctx   context.Context
	every time.Duration
	rest  []byte
	owes  int
}

func (d *drip) Read(p []byte) (int, error) {
	wait := d.every
	if d.owes == 0 {
		return 0, io.EOF
	}
	if len(d.rest) == 0 {
		wait = 1000 * time.Hour
	}
	if !fault.Sleep(d.ctx, wait) {
		return 0, d.ctx.Err()
	}
	n := copy(p[:1], d.rest)
	d.rest, d.owes = d.rest[n:], d.owes-n
	return n, nil
}

// dripping announces size bytes and sends them one by one.
func dripping(r *http.Request, size int, every time.Duration, b []byte) *http.Response {
	resp := announced(int64(size), serve(200, nil))
	resp.Body = io.NopCloser(&drip{r.Context(), every, b, size})
	return resp
}

// TestStall: a download that brings nothing for StallAfter is cut and tried
// again; one that is merely slow is borne with.
func TestStall(t *testing.T) {
	t.Parallel()
	const stall = 30 * time.Second // the default
	whole := content(100)
	for name, c := range map[string]struct {
		answer func(r *http.Request) *http.Response
		want   string // "" = it comes
		takes  time.Duration
	}{
		"slow":      {func(r *http.Request) *http.Response { return dripping(r, 100, stall-time.Second, whole) }, "", 100 * (stall - time.Second)},
		"too slow":  {func(r *http.Request) *http.Response { return dripping(r, 100, stall+time.Second, whole) }, "after 0 bytes", tries * stall},
		"stuck":     {func(r *http.Request) *http.Response { return dripping(r, 100, time.Second, whole[:99]) }, "brought nothing for 30s", tries * (99*time.Second + stall)},
		"no answer": {func(r *http.Request) *http.Response { <-r.Context().Done(); return nil }, "brought nothing for 30s", tries * stall},
		"no end":    {func(r *http.Request) *http.Response { return dripping(r, -1, time.Second, whole) }, "after 100 bytes", tries * (100*time.Second + stall)},
		"no refusal": {func(r *http.Request) *http.Response {
			return withStatus(503, dripping(r, 100, time.Second, whole[:50]))
		}, "503", tries * stall},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := &store{answer: func(_ int, r *http.Request) *http.Response { return c.answer(r) }}
				h := newHouse(t, &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}, st, fetcher.Settings{PollMax: time.Second})
				began := time.Now()
				_, err := h.fetch(t.Context(), t)
				took := time.Since(began)
				if c.want == "" && err != nil {
					t.Error(err)
				}
				if c.want != "" && (!fault.Transient(err) || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("got %v (%s), want %q", err, fault.Of(err), c.want)
				}
				if took < c.takes || took > c.takes+tries*time.Second {
					t.Errorf("it took %s, want %s and the pauses", took, c.takes)
				}
			})
		})
	}
}

func withStatus(status int, resp *http.Response) *http.Response {
	resp.StatusCode = status
	return resp
}

// TestRecovers: a download that stalls, one that is cut and one that is not
// answered are each followed by another.
func TestRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &store{answer: func(n int, r *http.Request) *http.Response {
			switch n {
			case 0:
				return dripping(r, 1000, time.Second, content(10))
			case 1:
				return announced(1001, serve(200, content(1000)))
			case 2:
				return nil
			}
			return good(n, r)
		}}
		h := newHouse(t, &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}, st, fetcher.Settings{})
		if r, err := h.fetch(t.Context(), t); err != nil || r.Size != 1000 || !bytes.Equal(h.body(t), content(1000)) {
			t.Errorf("%d bytes, %v", r.Size, err)
		}
	})
}

// TestEndsWithItsContext: who is told to stop stops in mid-download, and the
// entry is not taken for a finished one.
func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &store{answer: func(_ int, r *http.Request) *http.Response { return dripping(r, 1000, time.Second, content(1000)) }}
		h := newHouse(t, &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}, st, fetcher.Settings{})
		cause := errors.New("the slot's time is up")
		ctx, stop := context.WithTimeoutCause(t.Context(), 100*time.Second, cause)
		defer stop()
		began := time.Now()
		_, err := h.fetch(ctx, t)
		if !errors.Is(err, cause) || len(st.seen) != 1 || time.Since(began) != 100*time.Second {
			t.Errorf("got %v after %d downloads in %s", err, len(st.seen), time.Since(began))
		}
		for r := range h.spool.Waiting() {
			t.Errorf("%+v counts as finished", r)
		}
	})
}
