package cloudconfig

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/egress"
	"packseal.example/internal/fault"
)

// How often a call is tried at most, by what went wrong with it. Beyond that
// the caller tries again, later.
const (
	throttledTries = 5
	failedTries    = 3
)

// Client is the Config API as a [fetcher.Source]. Its methods may be called
// from many goroutines.
//
// A call repeats itself, signed anew each time: when it is throttled, after
// the pause that the API asks for; when there is no answer or none that makes
// sense, after a back-off; and once each with a new nonce, with the server's
// time, or with credentials got anew.
type Client struct {
	endpoint  *url.URL
	http      *http.Client
	timeout   time.Duration
	userAgent string
	keys      provider
	limit     *limiter
	skew      atomic.Int64 // how far the server's clock is ahead, in nanoseconds, where it refused ours
	metrics   *metrics
	logger    *slog.Logger
}

// New makes a client without asking the API anything. A nil transport means
// one of the client's own, under the rules of package outward.
func New(o Options, env fetcher.Env, transport http.RoundTripper) (*Client, error) {
	endpoint, err := parseEndpoint(o.Endpoint, o.AllowHTTP)
	if err != nil {
		return nil, err
	}
	if env.Logger == nil {
		return nil, errors.New("making a Config API client: no logger")
	}
	if transport == nil {
		// Less time than servers allow, so that few connections die under a call.
		transport, err = egress.New(egress.Options{CAFile: o.CAFile, Conns: o.maxInFlight(), Idle: 30 * time.Second})
		if err != nil {
			return nil, err
		}
	}
	return &Client{
		endpoint: endpoint,
		http: &http.Client{
			Transport: transport,
			// The signature is for this host alone.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		timeout:   o.requestTimeout(),
		userAgent: env.UserAgent,
		keys:      newProvider(o.Credentials),
		limit:     newLimiter(o.requestsPerSecond(), env.Share),
		metrics:   newMetrics(env.Registerer),
		logger:    env.Logger,
	}, nil
}

// do makes the call, and repeats it as [Client] says.
func (c *Client) do(ctx context.Context, q call) (answer, error) {
	var last error
	for tries := (repeats{}); ; {
		if !c.limit.wait(ctx) {
			if last == nil {
				last = ended(ctx, q.name)
			}
			return answer{}, last
		}
		k, err := c.keys.get(ctx)
		if err != nil {
			err = fmt.Errorf("%s: %w", q.name, err)
		} else {
			a, onceErr := c.once(ctx, q, k)
			if onceErr == nil {
				return a, nil
			}
			err = onceErr
		}
		if ctx.Err() != nil || !c.again(ctx, &tries, k, err) {
			return answer{}, err
		}
		last = err
	}
}

// repeats is what one call has been repeated for already.
type repeats struct {
	throttled, failed int
	signed, refreshed bool
}

// again does what err asks for and reports whether the call may be repeated.
func (c *Client) again(ctx context.Context, r *repeats, k keys, err error) bool {
	code := ""
	if e, ok := errors.AsType[*APIError](err); ok {
		code = e.Code
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
		c.limit.slow(pause)
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

// refresh gets new credentials in place of those that were refused, and
// reports whether there is a point in trying with them: keys that were being
// rotated at that moment may have been read half old and half new.
func (c *Client) refresh(ctx context.Context, refused keys, code string) bool {
	c.keys.forget(refused)
	k, err := c.keys.get(ctx)
	return err == nil && (k != refused || strings.HasPrefix(code, "InvalidSecurityToken"))
}
