package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
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

// AskHealth requests a health endpoint of a running daemon, once. It follows no
// redirect and closes the transport's idle connections. The error says only that
// there was no response: the caller judges any other.
func AskHealth(ctx context.Context, transport *http.Transport, url string) (Health, error) {
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Health{}, err
	}
	response, err := client.Do(r)
	if err != nil {
		return Health{}, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(io.LimitReader(response.Body, maxHealth))
	if err != nil {
		return Health{}, fmt.Errorf("reading the response of %s: %w", url, err)
	}
	line, hint, _ := strings.Cut(strings.TrimSpace(string(body)), "\nhint: ")
	return Health{response.StatusCode, line, hint}, nil
}
