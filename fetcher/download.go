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
)

// minSize is less than any workbook or archive takes; a smaller body is no report.
const minSize = 64

// maxRedirects bounds how often a link may send us on.
const maxRedirects = 3

// downloader gets what a link points to. It adds no header of its own that a
// link's signature might cover, and takes the body as it is stored.
type downloader struct {
	client *http.Client
	bounds Bounds
	max    int64
	stall  time.Duration
}

func newDownloader(o Options) (*downloader, error) {
	d := &downloader{bounds: o.Bounds, max: o.Settings.MaxBytes, stall: o.Settings.StallAfter}
	transport := o.Transport
	if transport == nil {
		var err error
		if transport, err = newRoad(o.Bounds, nil); err != nil {
			return nil, err
		}
	}
	d.client = &http.Client{Transport: transport, CheckRedirect: d.redirect}
	return d, nil
}

// redirect lets a store send us on to where a link itself might have pointed.
func (d *downloader) redirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fault.New(fault.LinkRefused, "the link was redirected more than %d times", maxRedirects)
	}
	r.Header.Del("Referer") // it is the link itself, signature and all
	return d.allow(r.URL)
}

// allow refuses links to where no report of this source can be: by scheme, by
// host, or with a user in them.
func (d *downloader) allow(u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	refuse := func(why string) error {
		return fault.New(fault.LinkRefused, "the link points to %s://%s: %s", u.Scheme, u.Host, why)
	}
	switch {
	case u.User != nil:
		return refuse("it carries a user name")
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
	e := fault.New(fault.LinkRefused, "the link points to host %s, which is not among link_hosts", host)
	return e.WithHint("if the reports' bucket is there, add %q to the source's link_hosts", host)
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// get downloads the link's body to w and returns what is known of it. The
// whole body has passed every check when the error is nil.
func (d *downloader) get(ctx context.Context, link Link, w io.Writer) (r Report, err error) {
	u, err := url.Parse(link.URL.Reveal())
	if err != nil {
		return r, fault.New(fault.LinkRefused, "the link is no URL")
	}
	if err := d.allow(u); err != nil {
		return r, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	watch := time.AfterFunc(d.stall, func() {
		stop(fault.New(fault.Unavailable, "the download brought nothing for %s", d.stall))
	})
	defer watch.Stop()

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
	body := &watched{r: io.LimitReader(resp.Body, d.max+1), watch: watch, every: d.stall}
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
		return r, fault.New(fault.Damaged, "the body has %d bytes, announced were %d", n, resp.ContentLength)
	}
	if err := sums.check(resp.Header); err != nil {
		return r, err
	}
	sums.sums(&r)
	r.Name, r.Fetched = objectName(resp.Request.URL), time.Now().UTC()
	r.Container, err = inspect(sums.head, resp.Request.URL.Query())
	return r, err
}

// request sends the GET, for a part where one is given. Its errors hold
// neither the link nor its parts.
func (d *downloader) request(ctx context.Context, u *url.URL, part string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "", nil)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err)
	}
	req.URL = u
	if part != "" {
		req.Header.Set("Range", part)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		err = plainError(err)
		if _, ok := errors.AsType[*fault.Error](err); !ok && ctx.Err() == nil {
			// A redirect to what is no address is quoted in full.
			err = fault.New(fault.Unavailable, "%s", signed.ReplaceAllString(err.Error(), "…"))
		}
		return nil, fmt.Errorf("downloading from %s: %w", u.Host, err)
	}
	return resp, nil
}

// plainError takes the URL out of an error of net/http's.
func plainError(err error) error {
	for {
		u, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = u.Err
	}
}

// objectName is the name of the object in the link's path, for people: no file
// is ever named so.
func objectName(u *url.URL) string {
	name := path.Base(u.Path)
	return strings.ToValidUTF8(name[:min(len(name), 255)], "\ufffd")
}

// refusal classifies an answer other than 200.
func refusal(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // what came of it is all there is to say
	e, _ := parseStoreError(body, resp.Request.URL.Query())
	said := fmt.Sprintf("the store answered %d", resp.StatusCode)
	if e.Code != "" {
		said += " " + e.String()
	}
	switch {
	case e.expired():
		return fault.New(fault.LinkExpired, "%s", said)
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests:
		return fault.New(fault.Unavailable, "%s", said)
	}
	return fault.New(fault.LinkRefused, "%s", said)
}

func tooLarge(limit int64) error {
	e := fault.New(fault.TooLarge, "the report is larger than %d bytes", limit)
	return e.WithHint("raise fetch.max_bytes if reports of this size are expected")
}

// inspect looks at the first bytes of a complete body: an empty one, and a
// store's error that came with status 200, are no report.
func inspect(head []byte, link url.Values) (Container, error) {
	if len(head) < minSize {
		return "", fault.New(fault.Damaged, "the body has %d bytes only", len(head))
	}
	c := sniff(head)
	if !errorPage(c, head) {
		return c, nil
	}
	if e, ok := parseStoreError(head, link); ok {
		if e.expired() {
			return c, fault.New(fault.LinkExpired, "the store answered 200 with an error: %s", e)
		}
		return c, fault.New(fault.Damaged, "the store answered 200 with an error: %s", e)
	}
	return c, fault.New(fault.Damaged, "the body is an error page, not a report")
}

// watched puts off the watch at every byte that comes: what is cut is silence,
// not slowness.
type watched struct {
	r     io.Reader
	watch *time.Timer
	every time.Duration
}

// Read implements [io.Reader].
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.watch.Reset(w.every)
	}
	return n, err
}
