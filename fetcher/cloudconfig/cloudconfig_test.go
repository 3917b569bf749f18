package cloudconfig

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"packseal.example/internal/fault"
)

func TestClockSkew(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"behind": 20 * time.Minute, "ahead": -3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				always := false
				s := &stub{answer: func(_ int, r *http.Request) (*http.Response, error) {
					now := time.Now().Add(skew).UTC()
					at, _ := time.Parse(stamp, r.Header.Get("X-Acs-Date"))
					res := respond(200, `{"RequestId":"R"}`)
					if always || at.Sub(now).Abs() > 15*time.Minute {
						res = refusing(400, "InvalidTimeStamp.Expired")
					}
					res.Header.Set("Date", now.Format(http.TimeFormat))
					return res, nil
				}}
				c := newTest(t, s)
				for want := range 2 { // the second call uses the skew
					if _, err := c.do(t.Context(), reportCall("Get", aPack)); err != nil || len(s.seen) != 2+want {
						t.Fatalf("%v after %d tries", err, len(s.seen))
					}
				}
				always = true
				_, err := c.do(t.Context(), reportCall("Get", aPack))
				if fault.Of(err) != fault.ClockSkew || !strings.Contains(fault.Hint(err), describeSkew(skew)) || len(s.seen) != 5 {
					t.Errorf("%v, hint %q, %d tries", err, fault.Hint(err), len(s.seen))
				}
			})
		})
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{answer: func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}
		c := newTest(t, s)
		start := time.Now()
		_, err := c.do(t.Context(), reportCall("Get", aPack))
		if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "no response within 10s") || fault.Hint(err) == "" {
			t.Errorf("got %v, hint %q", err, fault.Hint(err))
		}
		if took := time.Since(start); len(s.seen) != failedTries || took > 34*time.Second {
			t.Errorf("%d tries in %s", len(s.seen), took)
		}
		if got := testutil.ToFloat64(c.metrics.requests.WithLabelValues("GetCompliancePackReport", codeTimeout)); got != failedTries {
			t.Errorf("%v timeouts counted", got)
		}
	})
}

// The end of the context ends a call at any point.
func TestCanceled(t *testing.T) {
	t.Parallel()
	cause := errors.New("shutting down")
	for name, answer := range map[string]func(int, *http.Request) (*http.Response, error){
		"in flight": func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, &url.Error{Op: "Get", URL: "https://x/?MARKED", Err: r.Context().Err()}
		},
		"in a pause":  func(int, *http.Request) (*http.Response, error) { return refusing(400, "Throttling"), nil },
		"in back-off": func(int, *http.Request) (*http.Response, error) { return refusing(503, "ServiceUnavailable"), nil },
		"before":      nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newTest(t, &stub{answer: answer})
				ctx, cancel := context.WithCancelCause(t.Context())
				if answer == nil {
					cancel(cause)
				}
				time.AfterFunc(100*time.Millisecond, func() { cancel(cause) })
				start := time.Now()
				_, err := c.do(ctx, reportCall("Get", aPack))
				if took := time.Since(start); err == nil || took > 100*time.Millisecond {
					t.Fatalf("%v after %s", err, took)
				}
				// An earlier failure is returned rather than the cancellation.
				if _, api := errors.AsType[*APIError](err); !api && (!errors.Is(err, cause) || fault.Of(err) != fault.Canceled) {
					t.Errorf("got %q: %v", fault.Of(err), err)
				}
				cleanError(t, err)
			})
		})
	}
}
