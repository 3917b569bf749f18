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

// drip is a body that sends one byte at a time. After left bytes it ends; if rest
// has fewer, it stalls.
type drip struct {
	ctx   context.Context
	every time.Duration
	rest  []byte
	left  int
}

func (d *drip) Read(p []byte) (int, error) {
	wait := d.every
	if d.left == 0 {
		return 0, io.EOF
	}
	if len(d.rest) == 0 {
		wait = 1000 * time.Hour
	}
	if !fault.Sleep(d.ctx, wait) {
		return 0, d.ctx.Err()
	}
	n := copy(p[:1], d.rest)
	d.rest, d.left = d.rest[n:], d.left-n
	return n, nil
}

// dripping returns a response with a Content-Length of size that sends b byte by
// byte.
func dripping(r *http.Request, size int, every time.Duration, b []byte) *http.Response {
	resp := withLength(int64(size), serve(200, nil))
	resp.Body = io.NopCloser(&drip{r.Context(), every, b, size})
	return resp
}

// A download that stalls for StallAfter is aborted and retried; one that is slow
// is not.
func TestStall(t *testing.T) {
	t.Parallel()
	const stall = 30 * time.Second // the default
	whole := content(100)
	for name, c := range map[string]struct {
		answer func(r *http.Request) *http.Response
		want   string // "" if it succeeds
		takes  time.Duration
	}{
		"slow":      {func(r *http.Request) *http.Response { return dripping(r, 100, stall-time.Second, whole) }, "", 100 * (stall - time.Second)},
		"too slow":  {func(r *http.Request) *http.Response { return dripping(r, 100, stall+time.Second, whole) }, "after 0 bytes", tries * stall},
		"stuck":     {func(r *http.Request) *http.Response { return dripping(r, 100, time.Second, whole[:99]) }, "stalled for 30s", tries * (99*time.Second + stall)},
		"no answer": {func(r *http.Request) *http.Response { <-r.Context().Done(); return nil }, "stalled for 30s", tries * stall},
		"no end":    {func(r *http.Request) *http.Response { return dripping(r, -1, time.Second, whole) }, "after 100 bytes", tries * (100*time.Second + stall)},
		"no refusal": {func(r *http.Request) *http.Response {
			return withStatus(503, dripping(r, 100, time.Second, whole[:50]))
		}, "503", tries * stall},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := &store{answer: func(_ int, r *http.Request) *http.Response { return c.answer(r) }}
				h := newFixture(t, &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}, st, fetcher.Settings{PollMax: time.Second})
				start := time.Now()
				_, err := h.fetch(t.Context(), t)
				took := time.Since(start)
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

// Downloads that stall, are truncated or get no response are retried.
func TestRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &store{answer: func(n int, r *http.Request) *http.Response {
			switch n {
			case 0:
				return dripping(r, 1000, time.Second, content(10))
			case 1:
				return withLength(1001, serve(200, content(1000)))
			case 2:
				return nil
			}
			return good(n, r)
		}}
		h := newFixture(t, &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}, st, fetcher.Settings{})
		if r, err := h.fetch(t.Context(), t); err != nil || r.Size != 1000 || !bytes.Equal(h.body(t), content(1000)) {
			t.Errorf("%d bytes, %v", r.Size, err)
		}
	})
}

// The end of the context ends the download; the entry is not complete.
func TestDownloadCanceled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &store{answer: func(_ int, r *http.Request) *http.Response { return dripping(r, 1000, time.Second, content(1000)) }}
		h := newFixture(t, &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}, st, fetcher.Settings{})
		cause := errors.New("the slot's time is up")
		ctx, stop := context.WithTimeoutCause(t.Context(), 100*time.Second, cause)
		defer stop()
		start := time.Now()
		_, err := h.fetch(ctx, t)
		if !errors.Is(err, cause) || len(st.seen) != 1 || time.Since(start) != 100*time.Second {
			t.Errorf("got %v after %d downloads in %s", err, len(st.seen), time.Since(start))
		}
		for r := range h.spool.Waiting() {
			t.Errorf("%+v counts as complete", r)
		}
	})
}
