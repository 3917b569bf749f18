package web

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRequestsAreBounded: headers over the bound are refused, and a body,
// which nothing here wants, is not waited for, however long it claims to be.
func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	reloads := 0
	opts := options(0)
	opts.Reload = func() error { reloads++; return nil }
	r := run(t, opts, "", nil)
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"long header":     {"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"long path":       {"GET /packs/" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"body of a get":   {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\nx", http.StatusOK},
		"body of a post":  {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\nx", http.StatusMethodNotAllowed},
		"body of another": {"POST /-/reload HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 1000000000000\r\n\r\nx", http.StatusForbidden},
		"no request":      {"\x16\x03\x01\r\n\r\n", http.StatusBadRequest},
	} {
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // a failure shows in the read
		fmt.Fprint(conn, c.request)                        //nolint:errcheck // it may be refused half way
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if answer.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", name, answer.StatusCode, c.status)
		}
		conn.Close() //nolint:errcheck // read only
	}
	if reloads != 0 {
		t.Errorf("reloaded %d times", reloads)
	}
}
