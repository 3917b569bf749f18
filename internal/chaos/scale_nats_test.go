//go:build chaos

package chaos

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"testing"
	"time"
)

// startNATS runs a nats-server with JetStream and returns its URL.
func startNATS(t *testing.T) string {
	t.Helper()
	binary, err := exec.LookPath("nats-server")
	if err != nil {
		missing(t, err.Error())
	}
	address := freePorts(t, 1)[0]
	host, port, _ := net.SplitHostPort(address)
	server := exec.Command(binary, "-a", host, "-p", port, "-js", "-sd", t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return "nats://" + address
		}
		if time.Now().After(end) {
			t.Fatal("nats-server does not listen")
		}
	}
}

// freePorts returns loopback addresses that nobody listens on.
func freePorts(t *testing.T, n int) (all []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // only its number was wanted
		all = append(all, l.Addr().String())
	}
	return all
}

// unready returns what the daemon says about why it is not ready, or "".
func (p *process) unready() string {
	answer, err := http.Get(address.FindString(p.log.String()) + "/-/ready")
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	if answer.StatusCode == http.StatusOK {
		return ""
	}
	text := make([]byte, 500)
	n, _ := answer.Body.Read(text)
	return fmt.Sprintf("%s: %s", answer.Status, text[:n])
}
