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

// Examiner is implemented by a [Source] that packseal doctor can check. Results
// follow the rules for the errors of Source.
type Examiner interface {
	// Examine checks what is common to all packs: that the source can be
	// reached, the difference of the clocks, the credentials and whose they
	// are. It looks up p, or no pack if p is the zero PackRef.
	Examine(ctx context.Context, p evidence.PackRef) []diag.Result

	// ExaminePack checks that the pack's report can be read, and returns the
	// link to the latest one, or the zero Link.
	ExaminePack(ctx context.Context, p evidence.PackRef) (diag.Result, Link)

	// ExamineEvaluation checks that the rules of the pack can be read, to wait for
	// their evaluation. It requests none.
	ExamineEvaluation(ctx context.Context, p evidence.PackRef) diag.Result

	// ExamineRequest checks that a report of the pack can be requested. This
	// generates a report.
	ExamineRequest(ctx context.Context, p evidence.PackRef) diag.Result
}

// Peek downloads the first bytes from the link, under the same rules as a report,
// and checks them.
func (f *Fetcher) Peek(ctx context.Context, l Link) diag.Result {
	timed := received(l)
	p, err := f.download.preview(ctx, l)
	if err != nil {
		return diag.Fail("link", err)
	}
	expiry := "expires at an unknown time"
	if left, ok := timed.remaining(); ok {
		expiry = "expires in " + left.Round(time.Second).String()
	}
	size := "unknown size"
	if p.size >= 0 {
		size = fmt.Sprintf("%d bytes", p.size)
	}
	return diag.OK("link", "%s of %s from %s, %s", p.container, size, p.host, expiry)
}

// preview is what the first bytes of a body tell.
type preview struct {
	container evidence.Container
	size      int64 // of the body; -1 if unknown
	host      string
}

// preview requests the first bytes of the body. A Range header does not affect
// the signature; a store that ignores it sends all, of which no more is read.
func (d *downloader) preview(ctx context.Context, link Link) (p preview, err error) {
	u, err := url.Parse(link.URL.Reveal())
	if err != nil {
		return p, fault.New(fault.LinkRefused, "the link is not a URL")
	}
	if err := d.allow(u); err != nil {
		return p, err
	}
	resp, err := d.request(ctx, u, fmt.Sprintf("bytes=0-%d", sniffLen-1))
	if err != nil {
		return p, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	p.host, p.size = resp.Request.URL.Host, resp.ContentLength
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusPartialContent:
		_, total, _ := strings.Cut(resp.Header.Get("Content-Range"), "/")
		if p.size, err = strconv.ParseInt(total, 10, 64); err != nil {
			p.size = -1 // such as "*"
		}
	default:
		return p, refusal(resp)
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, sniffLen))
	if err != nil {
		return p, fault.Wrap(fault.Damaged, fmt.Errorf("reading the first bytes: %w", plainError(err)))
	}
	p.container, err = recognize(head, resp.Request.URL.Query())
	return p, err
}
