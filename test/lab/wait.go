package lab

import (
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// Patience is how long a test waits for what comes soon on a machine at rest:
// longer than anything takes on a busy one.
const Patience = 2 * time.Minute

// Eventually waits until done returns true, and fails the test with what was
// waited for if that takes too long.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(Patience); !done(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("timed out waiting: %s", what)
		case <-t.Context().Done():
			t.Fatalf("the test ended waiting: %s", what)
		}
	}
}

// taken counts the calls of Addresses in this process.
var taken atomic.Uint32

// Addresses returns n free loopback addresses for a process to listen on later.
// They are on an IP address of their own, so that no other test that takes any
// free port of 127.0.0.1 takes one of them in between.
func Addresses(t testing.TB, n int) (all []string) {
	t.Helper()
	i := taken.Add(1)
	ip := net.IPv4(127, byte(1+os.Getpid()%250), byte(os.Getpid()/250%250), byte(1+i%250)).String()
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // only its number was wanted
		all = append(all, l.Addr().String())
	}
	return all
}
