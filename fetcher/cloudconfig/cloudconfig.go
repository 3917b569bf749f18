// Package cloudconfig is Alibaba Cloud Config as a source of reports: a client of
// its API (version 2020-09-07, RPC style, ACS3-HMAC-SHA256).
package cloudconfig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/egress"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/ram"
	"packseal.example/internal/trace"
)

// The limits on tries of a call, by the kind of failure. Further retries are left
// to the caller.
const (
	throttledTries = 5
	failedTries    = 3
)

// Client is the Config API as a [fetcher.Source]. Its methods are safe for
// concurrent use.
//
// Calls are retried, with a new signature: if throttled, after the time that the
// API demands, during which no other call of that name is made; if there is no
// valid response, after a backoff, unless the call must not be made twice; and once
// each with a new nonce, with the server's time, and with new credentials.
type Client struct {
	endpoint  *url.URL
	http      *http.Client
	timeout   time.Duration
	userAgent string
	keys      ram.Provider
	limits    *limits
	skew      atomic.Int64 // how far the server's clock is ahead, in nanoseconds; 0 until it rejects our time
	metrics   *metrics
	logger    *slog.Logger
}

// New returns a client. It does not call the API. A nil transport means one of
// package egress.
func New(o Options, env fetcher.Env, transport http.RoundTripper) (*Client, error) {
	endpoint, err := parseEndpoint(o.Endpoint, o.AllowHTTP)
	if err != nil {
		return nil, err
	}
	if env.Logger == nil {
		return nil, errors.New("creating a Config API client: no logger")
	}
	parent, isMember := env.Parent.(*Client)
	if transport == nil && !isMember {
		// Shorter than the idle timeout of servers, so that few calls find the
		// connection closed.
		transport, err = egress.New(egress.Options{CAFile: o.CAFile, Conns: o.maxInFlight(), Idle: 30 * time.Second})
		if err != nil {
			return nil, err
		}
	}
	c := &Client{
		endpoint:  endpoint,
		timeout:   o.requestTimeout(),
		userAgent: env.UserAgent,
		limits:    newLimits(o.requestsPerSecond(), o.CallsPerMinute, env.Share),
		metrics:   newMetrics(env.Registerer, isMember),
		logger:    env.Logger,
	}
	if transport != nil {
		c.http = &http.Client{
			Transport: transport,
			// The signature is for this host only.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if isMember { // thousands of them share the connections
		c.keys, c.http = ram.Assume(o.Credentials, parent.keys), cmp.Or(c.http, parent.http)
	} else {
		c.keys = ram.New(o.Credentials)
	}
	if old, ok := env.Old.(*Client); ok && *old.endpoint == *endpoint {
		c.limits.takeOver(old.limits)
	}
	for call := range c.metrics.used {
		c.metrics.limit.WithLabelValues(call).Set(c.limits.perSecond(call))
	}
	return c, nil
}

// do makes the call, with retries as described at [Client].
func (c *Client) do(ctx context.Context, q call) (response, error) {
	var last error
	for tries := (retries{}); ; {
		if !c.wait(ctx, q.name) {
			if last == nil {
				last = fault.Ended(ctx, q.name)
			}
			return response{}, last
		}
		k, err := c.keys.Get(ctx)
		if err != nil {
			c.limits.of(q.name).ended(false)
			err = fmt.Errorf("%s: %w", q.name, err)
		} else {
			var a response
			a, err = c.try(ctx, q, k)
			_, unsent := errors.AsType[notSent](err)
			c.limits.of(q.name).ended(!unsent && fault.Of(err) != fault.Throttled)
			if err == nil {
				return a, nil
			}
			if q.once && uncertain(err) {
				return response{}, &lostAnswer{err}
			}
		}
		if ctx.Err() != nil || !c.retry(ctx, q, &tries, k, err) {
			return response{}, err
		}
		last = err
	}
}

// wait blocks until a call of that name may start, and counts how long. It returns
// false if ctx ends first.
func (c *Client) wait(ctx context.Context, name string) bool {
	start := time.Now()
	ok := c.limits.wait(ctx, name)
	c.metrics.waited(name, start, c.limits.perSecond(name))
	return ok
}

// retries counts the retries of one call by their cause.
type retries struct {
	throttled, failed int
	signed, refreshed bool
}

// retry prepares a retry after err, which may take a while, and reports whether
// there is to be one.
func (c *Client) retry(ctx context.Context, q call, r *retries, k ram.Keys, err error) bool {
	code, all := "", false
	if e, ok := errors.AsType[*APIError](err); ok {
		code, all = e.Code, e.all
	}
	var b fault.Backoff
	once := func(done *bool) bool {
		first := !*done
		*done = true
		return first
	}
	switch reason := fault.Of(err); {
	case reason == fault.Throttled:
		pause := fault.RetryAfter(err)
		if pause == 0 {
			pause = b.Wait(r.throttled, nil)
		}
		c.limits.throttle(q.name, pause, all)
		r.throttled++
		return r.throttled < throttledTries
	case reason == fault.ClockSkew || code == "SignatureNonceUsed":
		return once(&r.signed)
	case reason == fault.Credentials && code != "":
		return once(&r.refreshed) && c.refresh(ctx, k, code)
	case reason == fault.Unavailable || reason == fault.Damaged:
		r.failed++
		return r.failed < failedTries && fault.Sleep(ctx, b.Wait(r.failed-1, err))
	}
	return false
}

// refresh replaces rejected credentials, and reports whether a retry makes sense:
// the files may have been read in the middle of a rotation.
func (c *Client) refresh(ctx context.Context, rejected ram.Keys, code string) bool {
	c.keys.Invalidate(rejected)
	k, err := c.keys.Get(ctx)
	return err == nil && (k != rejected || strings.HasPrefix(code, "InvalidSecurityToken"))
}

// version is that of the API.
const version = "2020-09-07"

// maxResponse is the limit on a response body, in bytes. A page of 100 packs has
// about 50 KiB.
const maxResponse = 1 << 20

// call is an API call.
type call struct {
	name   string
	method string
	form   bool // send the parameters in the body
	once   bool // a call that may have taken effect is not repeated
	params url.Values
	pack   evidence.PackRef // the subject of the call; without ID for lists

	directory *url.URL // the endpoint of the Resource Directory, if it is a call of that API
}

// lostAnswer is the error of a call that is to be made once: it was sent, and
// whether it took effect is unknown.
type lostAnswer struct{ error }

// Unwrap returns what happened.
func (e *lostAnswer) Unwrap() error { return e.error }

// notSent is the message of an error before anything was sent.
type notSent string

// Error implements error.
func (e notSent) Error() string { return string(e) }

// uncertain reports whether a call that failed with err may have taken effect: it
// was sent, and nothing that the API itself says in response is a refusal.
func uncertain(err error) bool {
	if e, ok := errors.AsType[*APIError](err); ok {
		return (e.Code == "" || e.Status >= 500) && fault.Of(err) != fault.Throttled
	}
	_, unsent := errors.AsType[notSent](err)
	return !unsent && fault.Of(err) != fault.Internal
}

// request returns a new, signed request for the call.
func (c *Client) request(ctx context.Context, q call, k ram.Keys) (*http.Request, error) {
	u, version := *c.endpoint, version
	if q.directory != nil {
		u, version = *q.directory, directoryVersion
	}
	body := ""
	if q.form {
		body = encode(q.params)
	} else {
		u.RawQuery = encode(q.params)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, fault.New(fault.Internal, "%s: %w", q.name, err)
	}
	if q.form {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", c.userAgent)
	r.Header.Set("X-Acs-Action", q.name)
	r.Header.Set("X-Acs-Version", version)
	sign(r, []byte(body), k, time.Now().Add(time.Duration(c.skew.Load())))
	return r, nil
}

// try makes the call once and counts it. The timeout covers all of it, from the
// connection to the last byte of the response.
func (c *Client) try(ctx context.Context, q call, k ram.Keys) (a response, err error) {
	tctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := c.request(tctx, q, k)
	if err != nil {
		return response{}, err
	}
	start, code := time.Now(), codeOK
	_, s := trace.Call(ctx, q.name)
	defer func() {
		c.metrics.sent(q.name, code, start)
		s.Set(trace.Code.String(code))
		s.End(err)
	}()
	res, body, err := c.roundTrip(r)
	switch {
	case err != nil && ctx.Err() != nil:
		code = codeCanceled
		return response{}, fault.Ended(ctx, q.name)
	case err != nil:
		code, err = c.noResponse(q, k, err)
		return response{}, err
	case res.StatusCode != http.StatusOK:
		code, err = c.refused(q, k, res, body)
		return response{}, err
	}
	if a, err = decode(body); err != nil {
		code = codeDamaged
		return response{}, fault.New(fault.Damaged, "%s: %w", q.name, err).WithHint("check endpoint, and any proxy in between")
	}
	a.RequestID = text(sanitize(k, string(a.RequestID), 80))
	a.served, _ = http.ParseTime(res.Header.Get("Date"))
	c.limits.all.succeeded()
	return a, nil
}

// errTooLong is the error of a body over maxResponse.
var errTooLong = fmt.Errorf("the response is over %d bytes", maxResponse)

// roundTrip sends the request and reads the response.
func (c *Client) roundTrip(r *http.Request) (*http.Response, []byte, error) {
	res, err := c.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxResponse+1))
	if err == nil && len(body) > maxResponse {
		err = errTooLong
	}
	return res, body, err
}

// noResponse classifies the failure of a call without a response, and returns its
// metric label.
func (c *Client) noResponse(q call, k ram.Keys, err error) (string, error) {
	if errors.Is(err, errTooLong) {
		return codeDamaged, fault.New(fault.Damaged, "%s: %w", q.name, err)
	}
	code := codeNetwork
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		code, err = codeTimeout, fmt.Errorf("no response within %s", c.timeout)
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err // *url.Error contains the URL
	}
	var message error = errors.New(sanitize(k, err.Error(), 300))
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		message = notSent(message.Error())
	}
	return code, fault.New(fault.Unavailable, "%s: %w", q.name, message).
		WithHint("check that %s is reachable from here, and any proxy in between", cmp.Or(q.directory, c.endpoint).Host)
}

// refused classifies an error response, and returns its metric label. If the API
// rejects our time, further calls are signed with the server's time, from its Date
// header: a wrong clock is no reason to miss reports, but it is logged.
func (c *Client) refused(q call, k ram.Keys, res *http.Response, body []byte) (string, error) {
	e := newAPIError(q.name, res, body, k)
	known := classify(e.Code, e.Status)
	f := &fault.Error{Reason: known.reason, Err: e, Hint: q.hint(e, known.reason)}
	switch known.reason {
	case fault.Throttled:
		f.RetryAfter, e.all = timeLeft(res.Header)
		c.metrics.throttled.WithLabelValues(q.name).Inc()
	case fault.ClockSkew:
		f.Hint = "correct the local clock (NTP)"
		if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
			skew := time.Until(at).Round(time.Second)
			c.setSkew(skew)
			f.Hint = fmt.Sprintf("the local clock is %s: correct it (NTP)", describeSkew(skew))
		}
	}
	return known.family(), f
}

// setSkew makes further calls use the server's time.
func (c *Client) setSkew(skew time.Duration) {
	c.skew.Store(int64(skew))
	c.logger.Warn("local clock skewed", "skew_seconds", skew.Seconds(), "hint", "calls are signed with the server's time; correct the local clock (NTP)")
}

// describeSkew describes the local clock, relative to the server's.
func describeSkew(skew time.Duration) string {
	if skew < 0 {
		return (-skew).String() + " ahead of the server's"
	}
	return skew.String() + " behind the server's"
}
