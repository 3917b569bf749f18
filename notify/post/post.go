// Package post sends requests to addresses that are secrets: anybody who knows the
// address of a webhook can write to it. No error of this package, and so no log,
// contains more of an address than its host.
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
	timeout     = 15 * time.Second // of one request
	maxResponse = 64 << 10         // bytes
)

// Client sends requests. Its methods may be called from several goroutines.
type Client struct {
	http  *http.Client
	agent string
}

// New makes a client.
func New(env notify.Env) (*Client, error) {
	transport := env.Transport
	if transport == nil {
		t, err := egress.New(egress.Options{Idle: 30 * time.Second})
		if err != nil {
			return nil, err
		}
		transport = t
	}
	return &Client{agent: env.UserAgent, http: &http.Client{
		Transport: transport,
		// What is sent is meant for this host alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Request is one request.
type Request struct {
	Method  string // default POST
	URL     *url.URL
	Header  http.Header
	Body    []byte
	Secrets []string // what must not be in errors, besides the URL
}

// Response is what came back.
type Response struct {
	Status int
	Header http.Header
	Body   []byte // 64 KiB of it at most
}

// Do sends the request once. A response whose status is not 2xx is an error, and
// so is none.
func (c *Client) Do(ctx context.Context, r Request) error {
	res, err := c.Send(ctx, r)
	if err != nil {
		return err
	}
	return r.Status(res)
}

// Send sends the request once and returns the response, whatever its status.
func (c *Client) Send(ctx context.Context, r Request) (Response, error) {
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	method := r.Method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(within, method, r.URL.String(), bytes.NewReader(r.Body))
	if err != nil {
		return Response{}, fault.New(fault.Request, "making a request to %s", r.URL.Host) // err contains the address
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", c.agent)
	res, err := c.http.Do(req)
	if err != nil {
		return Response{}, r.noResponse(ctx, err)
	}
	defer res.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(io.LimitReader(res.Body, maxResponse))
	if err != nil && res.StatusCode/100 == 2 {
		return Response{}, r.noResponse(ctx, err)
	}
	return Response{res.StatusCode, res.Header, body}, nil
}

// noResponse is the error for a request without a response.
func (r Request) noResponse(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.New(fault.Canceled, "sending to %s: %w", r.URL.Host, context.Cause(ctx))
	}
	if e, ok := err.(net.Error); ok && e.Timeout() {
		err = fmt.Errorf("no response within %s", timeout)
	}
	if e, ok := err.(*url.Error); ok {
		err = e.Err // the whole contains the address
	}
	return fault.New(fault.Unavailable, "sending to %s: %s", r.URL.Host, r.Redact(err.Error())).
		WithHint("check that %s is reachable from this machine, directly or through its proxy", r.URL.Hostname())
}

// Status returns the error that a status means: nil for 2xx. Only some say that the
// message itself is refused; with any other it may be taken later.
func (r Request) Status(res Response) error {
	reason, hint := fault.Unavailable, "see the receiver's message and its log"
	switch s := res.Status; {
	case s/100 == 2:
		return nil
	case s == http.StatusTooManyRequests:
		reason, hint = fault.Throttled, "send less: set a longer group, or fewer kinds under on"
	case s >= 500 || s == http.StatusRequestTimeout:
		hint = ""
	case s == http.StatusBadRequest || s == http.StatusUnsupportedMediaType || s == http.StatusUnprocessableEntity:
		reason = fault.Request
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		reason, hint = fault.Credentials, "check the address and the secrets in the channel's files"
	case s == http.StatusNotFound || s == http.StatusGone:
		reason, hint = fault.NotFound, "check the channel's address"
	case s == http.StatusRequestEntityTooLarge:
		reason = fault.TooLarge
	case s/100 == 3:
		reason, hint = fault.NotFound, "redirects are not followed: use the final address"
	}
	e := fault.New(reason, "%s returned status %d: %s", r.URL.Host, res.Status, r.Redact(string(res.Body))).WithHint("%s", hint)
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && reason.Transient() {
		e.RetryAfter = time.Duration(min(max(seconds, 0), 3600)) * time.Second
	}
	return e
}
