package s3

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"packseal.example/internal/fault"
)

// silence is how long a store may take none of what we send it, or send none of
// what it has begun to answer. TCP itself waits for ever for a peer that keeps
// the connection and is not there, such as a gateway that hangs.
const silence = 30 * time.Second

// dialer opens connections; it is a transport's DialContext.
type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// impatient makes connections whose writes have to get on.
func impatient(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return pushed{c}, nil
	}
}

// pushed is a connection that is given up when it takes nothing for too long.
type pushed struct{ net.Conn }

// Write is called with pieces of some kilobytes, so that each of them is short
// work for a peer that is there, however slow.
func (c pushed) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// byMethod has a transport for what only reads and one for the rest.
type byMethod struct{ reading, writing http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b byMethod) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return b.reading.RoundTrip(r)
	}
	return b.writing.RoundTrip(r)
}

// heard is a body that is given up when nothing of it comes for too long.
type heard struct{ io.ReadCloser }

// Read closes the body under a read that brings nothing, which ends it.
func (h heard) Read(p []byte) (int, error) {
	watch := time.AfterFunc(silence, func() { h.Close() }) //nolint:errcheck // it is given up
	n, err := h.ReadCloser.Read(p)
	if !watch.Stop() && n == 0 {
		return 0, fault.New(fault.SinkUnavailable, "the store sent nothing for %s", silence)
	}
	return n, err
}
