package s3

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

// TestSilentStore: a store that keeps the connection but takes nothing, or
// sends nothing, is given up; one that is merely slow is borne with.
func TestSilentStore(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]time.Duration{"slow": silence - time.Second, "silent": 1000 * time.Hour} {
		t.Run("takes "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				here, there := net.Pipe()
				defer there.Close()
				c, err := impatient(func(context.Context, string, string) (net.Conn, error) { return here, nil })(t.Context(), "tcp", "store")
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
				if late := time.Since(began); (name == "slow") != (err == nil) || name == "silent" && (!errors.Is(err, os.ErrDeadlineExceeded) || late != silence) {
					t.Errorf("%v after %s", err, late)
				}
			})
		})
		t.Run("sends "+name, func(t *testing.T) {
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
					to.Close() //nolint:errcheck // never fails
				}()
				answer := answering(func(*http.Request) *http.Response { return &http.Response{StatusCode: 200, Body: from} })
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://store/key?x-id=GetObject", nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := bounded{answer}.RoundTrip(request)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if name == "slow" && (err != nil || string(body) != strings.Repeat("piece", 5)) {
					t.Errorf("%q, %v", body, err)
				}
				if name == "silent" && fault.Of(err) != fault.SinkUnavailable {
					t.Errorf("got %v (%s)", err, fault.Of(err))
				}
			})
		})
	}
}

// answering answers by a function.
type answering func(*http.Request) *http.Response

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }
