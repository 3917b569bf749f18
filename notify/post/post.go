// Package post sends requests to addresses that are secrets: who knows the
// address of a webhook can write to it. No error of this package, and so no
// log, holds more of an address than its host.
package post

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"packseal.example/internal/egress"
	"packseal.example/internal/fault"
	"packseal.example/notify"
)

const (
	timeout   = 15 * time.Second // of one request
	maxAnswer = 64 << 10
)

// Client sends. Its methods may be called from many goroutines.
type Client struct {
	http  *http.Client
	agent string
}

// New makes a client.
func New(env notify.Env) (*Client, error) {
	c := &Client{agent: env.UserAgent, http: &http.Client{
		Transport: env.Transport,
		// What is sent is for this host alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if env.Transport != nil {
		return c, nil
	}
	t, err := egress.New(egress.Options{Idle: 30 * time.Second})
	c.http.Transport = t
	return c, err
}

// Request is what is sent.
type Request struct {
	Method  string // default POST
	URL     *url.URL
	Header  http.Header
	Body    []byte
	Secrets []string // what must be in no error, beside what the URL holds
}

// Do sends the request once and returns the body of an answer with status
// 2xx. Any other is an error, as is none at all.
func (c *Client) Do(ctx context.Context, r Request) ([]byte, error) {
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	method := r.Method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(within, method, r.URL.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, fault.New(fault.Request, "making a request to %s", r.URL.Host) // err holds the address
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", c.agent)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, r.broken(ctx, err)
	}
	defer res.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case res.StatusCode/100 != 2:
		return nil, r.refused(res, body)
	case err != nil:
		return nil, r.broken(ctx, err)
	}
	return body, nil
}

// broken is the error for a request without an answer.
func (r Request) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.New(fault.Canceled, "sending to %s: %w", r.URL.Host, context.Cause(ctx))
	}
	if e, ok := err.(net.Error); ok && e.Timeout() {
		err = fmt.Errorf("no answer within %s", timeout)
	}
	if e, ok := err.(*url.Error); ok {
		err = e.Err // the whole holds the address
	}
	return fault.New(fault.Unavailable, "sending to %s: %s", r.URL.Host, r.Clean(err.Error())).
		WithHint("look whether %s can be reached from here, and at any proxy", r.URL.Hostname())
}

// refused is the error for an answer that is not 2xx.
func (r Request) refused(res *http.Response, body []byte) error {
	reason, hint := fault.Request, "look what the receiver says, and at its log"
	switch s := res.StatusCode; {
	case s == http.StatusTooManyRequests:
		reason, hint = fault.Throttled, "send to it less, with a longer group or fewer kinds under on"
	case s >= 500 || s == http.StatusRequestTimeout:
		reason, hint = fault.Unavailable, ""
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		reason, hint = fault.Credentials, "look at the address and the secrets in the channel's files"
	case s == http.StatusNotFound || s == http.StatusGone:
		reason, hint = fault.NotFound, "look at the address in the channel's url_file"
	case s == http.StatusRequestEntityTooLarge:
		reason = fault.TooLarge
	case s/100 == 3:
		hint = "redirects are not followed: put the final address into the channel's url_file"
	}
	e := fault.New(reason, "%s answers %d: %s", r.URL.Host, res.StatusCode, r.Clean(string(body))).WithHint("%s", hint)
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && reason.Transient() {
		e.RetryAfter = time.Duration(min(max(seconds, 0), 3600)) * time.Second
	}
	return e
}
