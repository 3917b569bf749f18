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

	"packseal.example/archive/catalog"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// Client asks the daemon that runs with a state folder.
type Client struct {
	dir  string
	http *http.Client
}

// NewClient makes a client. It does not connect yet.
func NewClient(dir string) *Client {
	return &Client{dir, &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, dir) },
	}}}
}

// List lists the queue, the total last. A listing that is cut off ends with an
// error.
func (c *Client) List(ctx context.Context, s Selection) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		q := url.Values{"name": s.Names, "limit": {strconv.Itoa(s.Limit)}}
		if s.Source != "" {
			q.Set("source", s.Source)
		}
		for line, err := range lines[Line](ctx, c, "queue?"+q.Encode()) {
			if err == nil && line.Error != nil {
				line, err = Line{}, line.Error.Err()
			}
			if !yield(line, err) || err != nil || line.Total != nil {
				return
			}
		}
	}
}

// Records yields the records that the query selects, as [Catalog] does.
func (c *Client) Records(ctx context.Context, q catalog.Query) iter.Seq2[evidence.Record, error] {
	return c.records(ctx, "records?"+formatQuery(q).Encode())
}

// Seen yields each slot that the daemon has seen in the archive.
func (c *Client) Seen(ctx context.Context) iter.Seq2[catalog.Listed, error] {
	return func(yield func(catalog.Listed, error) bool) {
		for r, err := range c.records(ctx, "seen") {
			if !yield(catalog.Listed{Slot: r.Slot, State: r.State}, err) {
				return
			}
		}
	}
}

// records yields the records of an answer.
func (c *Client) records(ctx context.Context, path string) iter.Seq2[evidence.Record, error] {
	return func(yield func(evidence.Record, error) bool) {
		for line, err := range lines[RecordLine](ctx, c, path) {
			if line.End {
				return
			}
			if line.Error != nil {
				err = line.Error.Err()
			}
			if line.Record == nil {
				line.Record = new(evidence.Record)
			}
			if !yield(*line.Record, err) || line.Record.Pack == "" {
				return
			}
		}
	}
}

// lines yields the lines of an answer. It does not end by itself: what is cut off
// ends with an error.
func lines[T any](ctx context.Context, c *Client, path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		body, err := c.do(ctx, http.MethodGet, path, nil)
		if err != nil {
			yield(none, err)
			return
		}
		defer body.Close() //nolint:errcheck // read only
		for d := json.NewDecoder(body); ; {
			var line T
			if err := d.Decode(&line); err != nil {
				yield(none, fault.New(fault.Unavailable, "the daemon's answer was cut off: %w", err))
				return
			}
			if !yield(line, nil) {
				return
			}
		}
	}
}

// Settled tells the daemon of a slot that this process has settled.
func (c *Client) Settled(ctx context.Context, s evidence.Slot) error {
	return c.post(ctx, "settled", s, new(struct{}))
}

// Status asks how the daemon is doing.
func (c *Client) Status(ctx context.Context) (st Status, err error) {
	body, err := c.do(ctx, http.MethodGet, "status", nil)
	if err != nil {
		return st, err
	}
	return st, decode(body, &st)
}

// Reload has the daemon load its configuration anew, as [Daemon] says.
func (c *Client) Reload(ctx context.Context) error {
	return c.post(ctx, "reload", struct{}{}, new(struct{}))
}

// Pause pauses sources and packs.
func (c *Client) Pause(ctx context.Context, o Order) (outcomes []Outcome, err error) {
	err = c.post(ctx, "queue/pause", o, &outcomes)
	return outcomes, err
}

// Resume resumes them.
func (c *Client) Resume(ctx context.Context, o Order) (outcomes []Outcome, err error) {
	err = c.post(ctx, "queue/resume", o, &outcomes)
	return outcomes, err
}

// post sends a value and reads the answer.
func (c *Client) post(ctx context.Context, path string, value, answer any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	body, err := c.do(ctx, http.MethodPost, path, b)
	if err != nil {
		return err
	}
	return decode(body, answer)
}

// decode reads an answer.
func decode(body io.ReadCloser, answer any) error {
	defer body.Close() //nolint:errcheck // read only
	if err := json.NewDecoder(body).Decode(answer); err != nil {
		return fault.New(fault.Unavailable, "reading the daemon's answer: %w", err)
	}
	return nil
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
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxOrder)).Decode(&p); err != nil || p.Message == "" {
		return nil, fault.New(fault.Internal, "the daemon answers %s", resp.Status).WithHint("is it of the same version?")
	}
	return nil, p.Err()
}

// unreached returns why there was no answer.
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
		return fault.New(fault.Unavailable, "%w with the state folder %s", ErrNoDaemon, c.dir).
			WithHint("run this on the machine, or in the container, of packseal run, with the same configuration")
	}
	return fault.Wrap(fault.Unavailable, fmt.Errorf("asking the daemon: %w", err))
}
