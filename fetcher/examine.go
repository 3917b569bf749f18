package fetcher

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"packseal.example/internal/diag"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Examiner is what a [Source] implements beside it to be looked at live, by
// packseal doctor. What holds for Source's errors holds for its results.
type Examiner interface {
	// Examine looks at what holds for every pack: whether the source can be
	// reached, how far the clocks are apart, whether the credentials are good,
	// and whose they are. It asks about p, or, for the zero PackRef, about none.
	Examine(ctx context.Context, p evidence.PackRef) []diag.Result

	// ExaminePack looks whether the pack's report may be read, and returns the
	// link to the one that stands there, or the zero Link.
	ExaminePack(ctx context.Context, p evidence.PackRef) (diag.Result, Link)

	// ExamineRequest looks whether a report of the pack may be asked for. That
	// has one made.
	ExamineRequest(ctx context.Context, p evidence.PackRef) diag.Result
}

// Peek looks at the first bytes of what the link points to, under all that
// holds for a download.
func (f *Fetcher) Peek(ctx context.Context, l Link) diag.Result {
	h := receive(l)
	g, err := f.download.peek(ctx, l)
	if err != nil {
		return diag.Fail("link", err)
	}
	life := "an expiry that it does not name"
	if left, ok := h.remaining(); ok {
		life = left.Round(time.Second).String() + " of its life left"
	}
	size := "unknown size"
	if g.size >= 0 {
		size = fmt.Sprintf("%d bytes", g.size)
	}
	return diag.OK("link", "%s of %s from %s, with %s", g.container, size, g.host, life)
}

// glimpse is what the first bytes told.
type glimpse struct {
	container Container
	size      int64 // of the whole; under 0 when the store does not say
	host      string
}

// peek gets the first bytes of the link's body: a Range breaks no signature. A
// store that ignores it sends the whole, of which no more is read.
func (d *downloader) peek(ctx context.Context, link Link) (g glimpse, err error) {
	u, err := url.Parse(link.URL.Reveal())
	if err != nil {
		return g, fault.New(fault.LinkRefused, "the link is no URL")
	}
	if err := d.allow(u); err != nil {
		return g, err
	}
	resp, err := d.request(ctx, u, fmt.Sprintf("bytes=0-%d", sniffLen-1))
	if err != nil {
		return g, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	g.host, g.size = resp.Request.URL.Host, resp.ContentLength
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusPartialContent:
		_, total, _ := strings.Cut(resp.Header.Get("Content-Range"), "/")
		if g.size, err = strconv.ParseInt(total, 10, 64); err != nil {
			g.size = -1 // it may be given as "*"
		}
	default:
		return g, refusal(resp)
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, sniffLen))
	if err != nil {
		return g, fault.Wrap(fault.Damaged, fmt.Errorf("reading the first bytes: %w", plainError(err)))
	}
	g.container, err = inspect(head, resp.Request.URL.Query())
	return g, err
}
