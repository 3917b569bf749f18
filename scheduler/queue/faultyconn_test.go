package queue

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
)

// faultyConn is a TCP proxy to a server that can go silent without closing its
// connections, as with a firewall or a pulled plug. What was sent meanwhile
// arrives when it is restored.
type faultyConn struct {
	address string
	mu      sync.Mutex
	passes  chan struct{} // closed while it does
}

// newFaultyConn returns a proxy to the server at a URL.
func newFaultyConn(t testing.TB, url string) *faultyConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &faultyConn{address: "nats://" + l.Addr().String(), passes: make(chan struct{})}
	close(c.passes)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() { cancel(); l.Close(); all.Wait() })
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", strings.TrimPrefix(url, "nats://"))
			if err != nil {
				near.Close()
				continue
			}
			both := func() { near.Close(); far.Close() }
			stop := context.AfterFunc(ctx, both)
			all.Go(func() { defer stop(); defer both(); c.copy(ctx, near, far) })
			all.Go(func() { defer both(); c.copy(ctx, far, near) })
		}
	})
	return c
}

func (c *faultyConn) copy(ctx context.Context, from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		c.mu.Lock()
		passes := c.passes
		c.mu.Unlock()
		select {
		case <-passes:
		case <-ctx.Done():
			return
		}
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}

// cut silences the connections until restore is called.
func (c *faultyConn) cut() (restore func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passes = make(chan struct{})
	return sync.OnceFunc(func() { close(c.passes) })
}
