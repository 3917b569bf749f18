package egress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"packseal.example/internal/fault"
)

// Poster posts small documents to a service whose address is no secret, and reads small
// answers. It follows no redirect: what is asked of one service is not asked of another.
type Poster struct {
	URL     string
	Agent   string            // User-Agent
	HTTP    http.RoundTripper // of [New]; see NewPoster
	Timeout time.Duration     // of a whole request
	Limit   int64             // of an answer, in bytes
}

// NewPoster completes a Poster: without HTTP it goes out by the defaults of [New]. It
// accesses no network.
func NewPoster(p Poster) (Poster, error) {
	if p.HTTP != nil {
		return p, nil
	}
	t, err := New(Options{})
	p.HTTP = t
	return p, err
}

// Answer is an answer, whatever its status.
type Answer struct {
	Status int
	Type   string // Content-Type
	Body   []byte
}

// Post posts a document. Its error is fault.Unavailable if no answer came, and
// fault.TooLarge for one over the limit.
func (p Poster) Post(ctx context.Context, contentType string, body []byte) (a Answer, err error) {
	within, stop := context.WithTimeout(ctx, p.Timeout)
	defer stop()
	req, err := http.NewRequestWithContext(within, http.MethodPost, p.URL, bytes.NewReader(body))
	if err != nil {
		return a, fault.New(fault.Request, "making a request: %w", err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", p.Agent)
	client := &http.Client{Transport: p.HTTP, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return a, p.noAnswer(ctx, err)
	}
	defer res.Body.Close() //nolint:errcheck // read only
	a = Answer{Status: res.StatusCode, Type: res.Header.Get("Content-Type")}
	if a.Body, err = io.ReadAll(io.LimitReader(res.Body, p.Limit+1)); err != nil {
		return a, p.noAnswer(ctx, err)
	}
	if int64(len(a.Body)) > p.Limit {
		return a, fault.New(fault.TooLarge, "the answer of %s is larger than %d bytes", req.URL.Host, p.Limit).WithHint("check the address")
	}
	return a, nil
}

// noAnswer is the error for a request without an answer.
func (p Poster) noAnswer(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.Ended(ctx, "waiting for an answer")
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		err = fmt.Errorf("no answer within %s", p.Timeout)
	}
	host := p.URL
	if u, perr := url.Parse(p.URL); perr == nil {
		host = u.Host
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return fault.New(fault.Unavailable, "asking %s: %w", host, err).
		WithHint("check that %s can be reached from this machine, directly or through its proxy", host)
}

// Refusal is the error for an answer whose status is not that of success, with the
// beginning of its text; nil for 2xx.
func (p Poster) Refusal(a Answer) error {
	reason, hint := fault.Unavailable, ""
	switch s := a.Status; {
	case s/100 == 2:
		return nil
	case s == http.StatusTooManyRequests:
		reason, hint = fault.Throttled, "it is asked again later"
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		reason, hint = fault.Denied, "see whether it serves this machine, and what it asks for"
	case s == http.StatusNotFound, s == http.StatusGone, s/100 == 3:
		reason, hint = fault.NotFound, "check the address: redirects are not followed"
	case s < 500 && s != http.StatusRequestTimeout:
		reason = fault.Request
	}
	err := fault.New(reason, "%s answered with status %d: %.200q", p.URL, a.Status, bytes.TrimSpace(a.Body))
	if hint != "" {
		return err.WithHint("%s", hint)
	}
	return err
}
