//go:build chaos

package chaos

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// network is a TCP proxy with the faults of a bad line. A library for it,
// toxiproxy, breaks connections after a number of bytes that is the same for
// all, and would bring six modules.
type network struct {
	latency time.Duration   // added to each piece
	most    func() int      // so many bytes go over a connection, both ways together; nil = all;
	reset   bool            // then it is reset,
	silent  bool            // or half open: nothing moves, and nobody says so; otherwise it is closed
	ended   <-chan struct{} // when the test ends
}

// start lets the network lead to a URL's host; it returns its own address.
func (n network) start(t *testing.T, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	n.ended = t.Context().Done()
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

// carry is one connection. A half-open one stays, on both sides, until these
// give it up: what they send is taken for as long as the kernel has room.
func (n network) carry(c *net.TCPConn, to string) {
	s, err := net.Dial("tcp", to)
	if err != nil {
		_ = c.Close()
		return
	}
	var left atomic.Int64
	left.Store(1 << 40)
	if n.most != nil {
		left.Store(int64(n.most()))
	}
	over := make(chan bool, 2) // whether it was the network's fault
	pass := func(to io.Writer, from io.Reader) {
		for b := make([]byte, 16<<10); ; {
			k, err := from.Read(b)
			if left.Add(int64(-k)) < 0 {
				over <- true
				return
			}
			time.Sleep(n.latency)
			if _, err2 := to.Write(b[:k]); err != nil || err2 != nil {
				over <- false
				return
			}
		}
	}
	go pass(s, c)
	go pass(c, s)
	switch broken := <-over; {
	case broken && n.silent:
		<-n.ended
	case broken && n.reset:
		_ = c.SetLinger(0)
	}
	_ = s.Close()
	_ = c.Close()
}
