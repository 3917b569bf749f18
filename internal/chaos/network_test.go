//go:build chaos

package chaos

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// network is a TCP proxy with the faults of a bad line.
type network struct {
	latency time.Duration // added to each piece
	most    func() int    // so many bytes come back over a connection; nil = all;
	reset   bool          // then it is reset,
	silent  bool          // or goes silent for good; otherwise it is closed
}

// start lets the network lead to a URL's host; it returns its own address.
func (n network) start(t *testing.T, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go n.carry(c.(*net.TCPConn), strings.TrimPrefix(to, "http://"))
		}
	}()
	return l.Addr().String()
}

// carry is one connection.
func (n network) carry(c *net.TCPConn, to string) {
	defer c.Close() //nolint:errcheck // it may be gone
	s, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer s.Close() //nolint:errcheck // likewise
	up := make(chan struct{})
	go func() {
		defer close(up)
		_, _ = io.Copy(s, c)
		_ = s.Close()
	}()
	left := int64(1 << 40)
	if n.most != nil {
		left = int64(n.most())
	}
	_, _ = io.Copy(late{c, n.latency}, io.LimitReader(s, left))
	switch {
	case n.silent:
		<-up // until the other side gives up
	case n.reset:
		_ = c.SetLinger(0)
	}
}

// late is a writer that takes its time.
type late struct {
	io.Writer
	latency time.Duration
}

func (l late) Write(p []byte) (int, error) {
	time.Sleep(l.latency)
	return l.Writer.Write(p)
}
