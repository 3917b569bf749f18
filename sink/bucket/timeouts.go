package bucket

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"packseal.example/internal/fault"
)

// stallTimeout is how long a transfer may make no progress: while a request is
// sent, until a read is answered, and between two reads of a response body.
// Without it, a server that keeps the connection open but hangs would block a
// call forever.
const stallTimeout = 30 * time.Second

// writeTimeout is how long the store may take to answer a write: it assembles
// the parts of a large object first.
const writeTimeout = 2 * time.Minute

// dialFunc opens connections; it is the type of a transport's DialContext.
type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialStalling returns a dial function whose connections fail writes that stall.
func dialStalling(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return stallConn{c}, nil
	}
}

// stallConn is a connection whose writes fail after stallTimeout.
type stallConn struct{ net.Conn }

// Write sets a deadline for p alone. The transport writes a few kilobytes at a
// time, so even a slow server meets it.
func (c stallConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(stallTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// byMethod uses one transport for reads (GET and HEAD) and another for writes,
// because the time until the response header differs.
type byMethod struct{ read, write http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b byMethod) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return b.read.RoundTrip(r)
	}
	return b.write.RoundTrip(r)
}

// stallReader is a response body whose reads fail after stallTimeout.
type stallReader struct{ io.ReadCloser }

// Read closes the body to end a read that stalls.
func (s stallReader) Read(p []byte) (int, error) {
	timer := time.AfterFunc(stallTimeout, func() { s.Close() }) //nolint:errcheck // the read fails
	n, err := s.ReadCloser.Read(p)
	if !timer.Stop() && n == 0 {
		return 0, fault.New(fault.SinkUnavailable, "the store sent no data for %s", stallTimeout)
	}
	return n, err
}
