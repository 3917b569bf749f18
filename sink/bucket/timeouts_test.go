package bucket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/internal/fault"
)

// A transfer to or from a store that hangs fails after stallTimeout; one that is
// slow goes on.
func TestStall(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]time.Duration{"slow": stallTimeout - time.Second, "hung": 1000 * time.Hour} {
		t.Run("write "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				here, there := net.Pipe()
				defer there.Close()
				c, err := dialStalling(func(context.Context, string, string) (net.Conn, error) { return here, nil })(t.Context(), "tcp", "store")
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				go func() {
					for b := make([]byte, 10); fault.Sleep(ctx, pause); {
						if _, err := there.Read(b); err != nil {
							return
						}
					}
				}()
				began := time.Now()
				for range 5 {
					if _, err = c.Write(make([]byte, 10)); err != nil {
						break
					}
				}
				if late := time.Since(began); (name == "slow") != (err == nil) || name == "hung" && (!errors.Is(err, os.ErrDeadlineExceeded) || late != stallTimeout) {
					t.Errorf("%v after %s", err, late)
				}
			})
		})
		t.Run("read "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				from, to := io.Pipe()
				go func() {
					for range 5 {
						if !fault.Sleep(ctx, pause) {
							return
						}
						if _, err := io.WriteString(to, "piece"); err != nil {
							return
						}
					}
					to.Close() //nolint:errcheck // cannot fail
				}()
				transport := roundTrip(func(*http.Request) *http.Response { return &http.Response{StatusCode: 200, Body: from} })
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://store/key", nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := Limit(transport, func(*http.Request) bool { return true }).RoundTrip(request)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if name == "slow" && (err != nil || string(body) != strings.Repeat("piece", 5)) {
					t.Errorf("%q, %v", body, err)
				}
				if name == "hung" && fault.Of(err) != fault.SinkUnavailable {
					t.Errorf("got %v (%s)", err, fault.Of(err))
				}
			})
		})
	}
}

// roundTrip is a RoundTripper without errors.
type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }
