package queue

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
)

// cable is a TCP connection's way to a server, which can go silent without
// being closed, as a firewall or a pulled plug makes it. What was sent
// meanwhile arrives when it speaks again.
type cable struct {
	address string
	mu      sync.Mutex
	speaks  chan struct{} // closed while it does
}

// lay lays a cable to the server at a URL.
func lay(t testing.TB, url string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{address: "nats://" + l.Addr().String(), speaks: make(chan struct{})}
	close(c.speaks)
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
			all.Go(func() { defer stop(); defer both(); c.carry(ctx, near, far) })
			all.Go(func() { defer both(); c.carry(ctx, far, near) })
		}
	})
	return c
}

func (c *cable) carry(ctx context.Context, from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		c.mu.Lock()
		speaks := c.speaks
		c.mu.Unlock()
		select {
		case <-speaks:
		case <-ctx.Done():
			return
		}
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}

// cut silences the cable until mend is called.
func (c *cable) cut() (mend func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.speaks = make(chan struct{})
	return sync.OnceFunc(func() { close(c.speaks) })
}
