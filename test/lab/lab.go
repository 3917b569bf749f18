// Package lab sets the scene for tests that run packseal: a simulated Config
// API, a configuration of it, and what tests share besides.
package lab

import (
	"bytes"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"packseal.example/fetcher/cloudconfig/sim"
)

// The key that the simulator accepts.
const (
	KeyID     = "LTAI5tSimulatorKeyOnly"
	KeySecret = "simulator-secret-opens-nothing-else"
)

// Simulate serves a simulator of the packs until the test ends, and returns it
// and its address.
func Simulate(t testing.TB, packs ...sim.Pack) (server *sim.Server, endpoint string) {
	t.Helper()
	server, err := sim.New(sim.Options{AccessKeyID: KeyID, AccessKeySecret: KeySecret, Packs: packs})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return server, web.URL
}

// Write writes files into a folder.
func Write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
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

// patience is how long Eventually waits: longer than anything takes on a busy
// machine.
const patience = 2 * time.Minute

// Eventually waits until done returns true, and fails the test with what was
// waited for if that takes too long.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !done(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("timed out waiting: %s", what)
		case <-t.Context().Done():
			t.Fatalf("the test ended waiting: %s", what)
		}
	}
}

// Buffer is a buffer that goroutines may share.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements [io.Writer].
func (s *Buffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String returns what was written.
func (s *Buffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Reset forgets what was written.
func (s *Buffer) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Reset()
}
