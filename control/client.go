package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"

	"packseal.example/internal/fault"
)

// Client asks the daemon whose state folder it is.
type Client struct {
	dir  string
	http *http.Client
}

// NewClient makes a client. It asks nobody yet.
func NewClient(dir string) *Client {
	return &Client{dir, &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, dir) },
	}}}
}

// List yields what the daemon says of its queue, the total last. A listing
// that breaks off ends with an error.
func (c *Client) List(ctx context.Context, s Selection) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		q := url.Values{"name": s.Names, "limit": {strconv.Itoa(s.Limit)}}
		if s.Source != "" {
			q.Set("source", s.Source)
		}
		body, err := c.do(ctx, http.MethodGet, "queue?"+q.Encode(), nil)
		if err != nil {
			yield(Line{}, err)
			return
		}
		defer body.Close() //nolint:errcheck // read only
		for lines := json.NewDecoder(body); ; {
			var line Line
			err := lines.Decode(&line)
			switch {
			case err != nil:
				yield(Line{}, fault.New(fault.Unavailable, "the daemon broke off: %w", err))
				return
			case line.Error != nil:
				yield(Line{}, line.Error.err())
				return
			case !yield(line, nil) || line.Total != nil:
				return
			}
		}
	}
}

// Pause has sources and packs paused.
func (c *Client) Pause(ctx context.Context, o Order) ([]Outcome, error) {
	return c.order(ctx, "queue/pause", o)
}

// Resume has them go on.
func (c *Client) Resume(ctx context.Context, o Order) ([]Outcome, error) {
	return c.order(ctx, "queue/resume", o)
}

func (c *Client) order(ctx context.Context, path string, o Order) (outcomes []Outcome, err error) {
	order, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	body, err := c.do(ctx, http.MethodPost, path, order)
	if err != nil {
		return nil, err
	}
	defer body.Close() //nolint:errcheck // read only
	if err := json.NewDecoder(body).Decode(&outcomes); err != nil {
		return nil, fault.New(fault.Unavailable, "reading the daemon's answer: %w", err)
	}
	return outcomes, nil
}

// do returns the body of a good answer.
func (c *Client) do(ctx context.Context, method, path string, order []byte) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://packseal/v1/"+path, bytes.NewReader(order))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, c.unreached(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	var p Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&p); err != nil || p.Message == "" {
		return nil, fault.New(fault.Internal, "the daemon answers %s", resp.Status).WithHint("is it of the same version?")
	}
	return nil, p.err()
}

// unreached says why there was no answer.
func (c *Client) unreached(err error) error {
	e, _ := errors.AsType[*url.Error](err)
	if e != nil {
		err = e.Err // the address says nothing
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, "asking the daemon: %w", err).WithHint("run this as the daemon's own user, or as root")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fault.New(fault.Unavailable, "no daemon runs with the state folder %s", c.dir).
			WithHint("run this on the machine, or in the container, of packseal run, with the same configuration")
	}
	return fault.Wrap(fault.Unavailable, fmt.Errorf("asking the daemon: %w", err))
}
