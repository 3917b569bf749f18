// Package bucket has what backends of object storage share: the HTTP client, what is
// believed of responses and objects, how they look to people, and the checks of listings and
// of the configuration. It knows no protocol.
package bucket

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"packseal.example/internal/fault"
	"packseal.example/sink"
)

// Token returns s if it looks like an error code or a request ID, and "" if not.
func Token(s string) string {
	if tokenPattern.MatchString(s) {
		return s
	}
	return ""
}

var tokenPattern = regexp.MustCompile(`^[A-Za-z0-9._/+=:-]{1,128}$`)

// RetryAfter returns how long a response asks to wait, at most an hour, or 0.
func RetryAfter(h http.Header) time.Duration {
	if n, err := strconv.Atoi(h.Get("Retry-After")); err == nil && n > 0 {
		return min(time.Duration(n)*time.Second, time.Hour)
	}
	return 0
}

// ClockSkew is how far the clock of a store may differ from ours: stores accept
// signed requests within that limit.
const ClockSkew = 15 * time.Minute

// Skew returns how far the local clock is ahead of the store's, to the minute; 0 if
// the response does not say what time it is.
func Skew(h http.Header) time.Duration {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return time.Since(at).Round(time.Minute)
}

// SkewHint returns what to do about a clock that differs by that much.
func SkewHint(skew time.Duration) string {
	if skew.Abs() < time.Minute {
		return "correct the local clock"
	}
	return "correct the local clock: it differs from the store's by " + skew.Abs().String()
}

// ProxyHint is for a response that does not come from a store.
const ProxyHint = "check endpoint, and any proxy in between"

// ErrForeign is the error of a response whose status says success and that does
// not come from the store.
var ErrForeign = fault.New(fault.SinkUnavailable, "the response is not one of the store").WithHint("%s", ProxyHint)

// Pages checks the pages of one listing.
type Pages map[string]bool // tokens that were given

// Next checks that a page says how the listing goes on, and not as a page before:
// SDKs take any page without a token for the last one.
func (p Pages) Next(truncated bool, token string) error {
	switch {
	case truncated && token == "":
		return errListing("it does not say where")
	case truncated && p[token]:
		return errListing("it begins again")
	}
	p[token] = true
	return nil
}

// errListing returns the error of a listing that is not complete.
func errListing(how string) error {
	return fault.New(fault.SinkUnavailable, "the store's listing goes on, and %s", how).
		WithHint("packseal needs ListObjectsV2 with continuation tokens: docs/storage.md lists stores that have it")
}

// Classify gives err its reason if it is none of the store's. The message begins with
// what was being done. It returns nil for a response, or no response, of a store.
func Classify(ctx context.Context, err error, doing string) error {
	if ended := sink.Ended(ctx); ended != nil {
		return fmt.Errorf("%s: %w", doing, ended)
	}
	if errors.Is(err, ErrTooLong) {
		return fault.New(fault.SinkUnavailable, "%s: %w", doing, ErrTooLong).WithHint("%s", ProxyHint)
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return fmt.Errorf("%s: %w", doing, f) // without what an SDK wraps it in
	}
	return nil
}

// Matches reads an object that has no SHA-256 in its metadata, because another
// program put it there, and reports whether it is c.
func Matches(ctx context.Context, s sink.Sink, key string, c sink.Content) (bool, error) {
	r, err := s.Open(ctx, key)
	if err != nil {
		return false, err
	}
	defer r.Close() //nolint:errcheck // read only
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return false, err
	}
	return [sha256.Size]byte(h.Sum(nil)) == c.SHA256, nil
}
