package fetcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/internal/secret"
)

// minSize is less than the size of any workbook or archive.
const minSize = 64

// maxRedirects is how many redirects of a link are followed.
const maxRedirects = 3

// downloader downloads from links. It sends no header that the signature of a
// link may cover, and does not decompress the body.
type downloader struct {
	client *http.Client
	bounds Bounds
	max    int64
	stall  time.Duration
}

func newDownloader(o Options) (*downloader, error) {
	d := &downloader{bounds: o.Bounds, max: int64(o.Settings.MaxBytes), stall: o.Settings.StallAfter}
	transport := o.Transport
	if transport == nil {
		var err error
		if transport, err = newTransport(o.Bounds, nil); err != nil {
			return nil, err
		}
	}
	d.client = &http.Client{Transport: transport, CheckRedirect: d.redirect}
	return d, nil
}

// redirect permits redirects to where a link itself may point.
func (d *downloader) redirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fault.New(fault.LinkRefused, "the link was redirected more than %d times", maxRedirects)
	}
	r.Header.Del("Referer") // it is the signed link
	return d.allow(r.URL)
}

// allow returns an error if links of the source must not point to u, because of
// its scheme or host, or because it has a user name.
func (d *downloader) allow(u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	refuse := func(why string) error {
		return fault.New(fault.LinkRefused, "the link points to %s://%s: %s", u.Scheme, u.Host, why).
			WithHint("no store signs such links: check any proxy in between, and where endpoint points to")
	}
	switch {
	case u.User != nil:
		return refuse("it has a user name")
	case u.Scheme != "https" && u.Scheme != "http":
		return refuse("neither http nor https")
	case u.Scheme == "http" && !d.bounds.AllowHTTP && !loopback(host):
		return refuse("http is permitted on loopback addresses only")
	}
	for _, pattern := range d.bounds.LinkHosts {
		if ok, _ := path.Match(strings.ToLower(pattern), host); ok {
			return nil
		}
	}
	e := fault.New(fault.LinkRefused, "the link points to host %s, which is not in link_hosts", host)
	return e.WithHint("if the bucket with the reports is there, add %q to link_hosts of the source", host)
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// bodyFile is where a body is kept.
type bodyFile interface {
	io.Writer
	io.ReaderAt
}

// get downloads the body to w. If the error is nil, the body is complete and
// verified, and r describes it.
func (d *downloader) get(ctx context.Context, link Link, w bodyFile) (r Report, err error) {
	u, err := url.Parse(link.URL.Reveal())
	if err != nil {
		return r, fault.New(fault.LinkRefused, "the link is not a URL")
	}
	if err := d.allow(u); err != nil {
		return r, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	timer := time.AfterFunc(d.stall, func() {
		stop(fault.New(fault.Unavailable, "the download stalled for %s", d.stall))
	})
	defer timer.Stop()

	resp, err := d.request(ctx, u, "")
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return r, refusal(resp)
	}
	if resp.ContentLength > d.max {
		return r, tooLarge(d.max)
	}
	body := &progressReader{r: io.LimitReader(resp.Body, d.max+1), timer: timer, timeout: d.stall}
	sums := newDigest()
	n, err := copyBody(w, body, sums)
	switch {
	case n > d.max:
		return r, tooLarge(d.max)
	case err != nil && fault.Of(err) == fault.SinkUnavailable:
		return r, err
	case err != nil:
		return r, fault.Wrap(fault.Damaged, fmt.Errorf("reading the body after %d bytes: %w", n, cmp.Or(context.Cause(ctx), plainError(err))))
	case resp.ContentLength >= 0 && n != resp.ContentLength:
		return r, fault.New(fault.Damaged, "the body has %d bytes, but Content-Length is %d", n, resp.ContentLength)
	}
	if err := sums.check(resp.Header); err != nil {
		return r, err
	}
	sums.sums(&r)
	r.Name, r.Fetched = objectName(resp.Request.URL), time.Now().UTC()
	return r, d.inspect(&r, &sums.sample, w, resp.Header, resp.Request.URL.Query())
}

// request sends a GET, with the value of a Range header if it is not empty. Its
// errors contain nothing of the link but the host.
func (d *downloader) request(ctx context.Context, u *url.URL, byteRange string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "", nil)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err)
	}
	req.URL = u
	if byteRange != "" {
		req.Header.Set("Range", byteRange)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		err = plainError(err)
		if _, ok := errors.AsType[*fault.Error](err); !ok && ctx.Err() == nil {
			// net/http quotes an invalid Location in full.
			err = fault.New(fault.Unavailable, "%s", secret.Quote(err.Error(), 500))
		}
		return nil, fmt.Errorf("downloading from %s: %w", u.Host, err)
	}
	return resp, nil
}

// plainError removes the URL from an error of net/http.
func plainError(err error) error {
	for {
		u, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = u.Err
	}
}

// objectName returns the last element of the link's path, for people. It is never
// used as a file name.
func objectName(u *url.URL) string {
	name := path.Base(u.Path)
	return strings.ToValidUTF8(name[:min(len(name), 255)], "\ufffd")
}

func tooLarge(limit int64) error {
	e := fault.New(fault.TooLarge, "the report is larger than %d bytes", limit)
	return e.WithHint("raise fetch.max_bytes if reports of this size are expected")
}

// progressReader resets a timer whenever bytes arrive, so that a download may be
// slow but not stall.
type progressReader struct {
	r       io.Reader
	timer   *time.Timer
	timeout time.Duration
}

// Read implements [io.Reader].
func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		p.timer.Reset(p.timeout)
	}
	return n, err
}
