// Package tsa asks time-stamping authorities over HTTP (RFC 3161, 3.4).
package tsa

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"packseal.example/archive/ledger/stamp"
	"packseal.example/internal/egress"
	"packseal.example/internal/fault"
)

// timeout bounds a request.
const timeout = 15 * time.Second

// maxRoots bounds a file of certificates, in bytes.
const maxRoots = 1 << 20

// Options configure a client. Required fields are marked.
type Options struct {
	Name   string // required; under which its time-stamps are stored
	URL    string // required
	CAFile string // PEM certificates that an authority's has to lead to; default the system's
	Agent  string // User-Agent

	Transport http.RoundTripper // default that of package egress
}

// Client asks one authority. Its methods may be called from many goroutines.
type Client struct {
	Name  string
	roots *x509.CertPool // nil = the system's
	post  egress.Poster
}

// New makes a client. It reads the certificates, and accesses no network.
func New(o Options) (*Client, error) {
	post, err := egress.NewPoster(egress.Poster{URL: o.URL, Agent: o.Agent, HTTP: o.Transport, Timeout: timeout, Limit: stamp.MaxSize})
	if err != nil {
		return nil, err
	}
	c := &Client{Name: o.Name, post: post}
	if o.CAFile != "" {
		pem, err := readFile(o.CAFile)
		if err == nil {
			c.roots, err = stamp.ParseRoots(pem)
		}
		if err != nil {
			return nil, fault.New(fault.Request, "the certificates of authority %s, %s: %w", o.Name, o.CAFile, err).
				WithHint("name a file of PEM certificates that this user can read")
		}
	}
	return c, nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	return io.ReadAll(io.LimitReader(f, maxRoots))
}

// Stamped is a time-stamp that was checked.
type Stamped struct {
	stamp.Token
	Raw    []byte        // the TimeStampResp
	Offset time.Duration // how far this machine's clock was ahead of the authority's, to about half of the request's duration
}

// Stamp gets a time-stamp of data's bytes, and checks it. The error is fault.Damaged for
// one that does not hold.
func (c *Client) Stamp(ctx context.Context, data []byte) (s Stamped, err error) {
	q := stamp.NewQuery(data)
	body, err := q.Bytes()
	if err != nil {
		return s, err
	}
	began := time.Now()
	answer, err := c.post.Post(ctx, "application/timestamp-query", body)
	if err == nil {
		err = c.post.Refusal(answer)
	}
	if err != nil {
		return s, fmt.Errorf("asking authority %s for a time-stamp: %w", c.Name, err)
	}
	took := time.Since(began)
	s.Raw = answer.Body
	if s.Token, err = q.Verify(answer.Body, c.roots); err != nil {
		if answer.Type != "application/timestamp-reply" {
			err = fmt.Errorf("%w (what came is of type %.100q)", err, answer.Type)
		}
		return Stamped{}, c.wrong(err)
	}
	s.Offset = began.Add(took / 2).Sub(s.Time)
	return s, nil
}

// Verify checks a time-stamp of data's bytes that this authority gave.
func (c *Client) Verify(resp, data []byte) (stamp.Token, error) {
	token, err := stamp.Verify(resp, data, c.roots)
	if err != nil {
		return token, c.wrong(err)
	}
	return token, nil
}

func (c *Client) wrong(err error) error {
	wrapped := fault.New(fault.Of(err), "the time-stamp of authority %s: %w", c.Name, err)
	if errors.Is(err, stamp.ErrUntrusted) {
		return wrapped.WithHint("give its ca_file the root that the authority publishes for time-stamping")
	}
	return wrapped
}
