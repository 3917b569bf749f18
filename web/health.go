package web

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// maxHealth bounds what is read of a health endpoint's response, in bytes. It has
// two lines.
const maxHealth = 4 << 10

// Health is the response of /-/healthy or /-/ready.
type Health struct {
	Code int    // the HTTP status
	Line string // the first line: "healthy", "ready", or "not ready: " and why
	Hint string // what to do about it, or empty
}

// AskHealth requests a health endpoint of a running daemon, once, as a user if
// login is not nil. It follows no redirect and closes the transport's idle
// connections. The error says only that there was no response: the caller judges
// any other.
func AskHealth(ctx context.Context, transport *http.Transport, address string, login *url.Userinfo) (Health, error) {
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Health{}, err
	}
	if login != nil {
		password, _ := login.Password()
		r.SetBasicAuth(login.Username(), password)
	}
	response, err := client.Do(r)
	if err != nil {
		return Health{}, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(io.LimitReader(response.Body, maxHealth))
	if err != nil {
		return Health{}, fmt.Errorf("reading the response of %s: %w", address, err)
	}
	line, hint, _ := strings.Cut(strings.TrimSpace(string(body)), "\nhint: ")
	return Health{response.StatusCode, line, hint}, nil
}

// Local returns the addresses, without a path, at which the page that listens
// there may be reached from the same machine, the likelier first; none if its port
// is not known. configFile is as for [Server.Run].
func Local(listen, configFile string) (addresses []string) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return nil
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	if configFile != "" { // only the library knows whether the file turns TLS on
		addresses = append(addresses, "https://"+net.JoinHostPort(host, port))
	}
	return append(addresses, "http://"+net.JoinHostPort(host, port))
}
