package fetcher_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"packseal.example/fetcher"
	"packseal.example/internal/fault"
)

// Redirects are followed to where a link itself may point.
func TestRedirect(t *testing.T) {
	t.Parallel()
	const there = "https://other.example.com/moved.xls?Signature=" + mark
	for name, c := range map[string]struct {
		location string
		hops     int
		want     string // "" if it is followed
	}{
		"to a permitted host": {there, 1, ""},
		"thrice":              {there, 3, ""},
		"four times":          {there, 4, "redirected more than 3 times"},
		"to another host":     {"https://example.net/r.xls?Signature=" + mark, 1, "link_hosts"},
		"to another scheme":   {"http://other.example.com/r.xls?Signature=" + mark, 1, "loopback"},
		"to a file":           {"file:///etc/passwd", 1, "neither http nor https"},
		"to the metadata":     {"http://100.100.100.200/latest/meta-data/", 1, "loopback"},
		"with a user":         {"https://" + mark + ":x@other.example.com/r.xls", 1, "user name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := &store{answer: func(n int, r *http.Request) *http.Response {
					if hops(r) < c.hops {
						return serve(http.StatusFound, nil, "Location", c.location)
					}
					return good(n, r)
				}}
				h := newFixture(t, &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}, st, fetcher.Settings{})
				r, err := h.fetch(t.Context(), t)
				switch {
				case c.want == "":
					if err != nil || r.Name != "moved.xls" || len(st.seen) != c.hops+1 {
						t.Errorf("%q, %v after %d requests", r.Name, err, len(st.seen))
					}
				case fault.Of(err) != fault.LinkRefused || !strings.Contains(err.Error(), c.want):
					t.Errorf("got %v (%s), want a refusal with %q", err, fault.Of(err), c.want)
				}
				for _, r := range st.seen {
					if referer := r.Header.Get("Referer"); referer != "" {
						t.Errorf("the Referer has the link: %s", referer)
					}
					if !strings.HasSuffix(r.URL.Hostname(), ".example.com") || r.URL.Scheme != "https" {
						t.Errorf("a request went to %s://%s", r.URL.Scheme, r.URL.Host)
					}
				}
			})
		})
	}
}

// The error of net/http for an invalid Location quotes it, and it may be signed.
func TestInvalidRedirect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &store{answer: func(int, *http.Request) *http.Response {
			return serve(http.StatusFound, nil, "Location", "https://other.example.com/%zz?Signature="+mark)
		}}
		h := newFixture(t, &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}, st, fetcher.Settings{})
		if _, err := h.fetch(t.Context(), t); fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "Location") {
			t.Errorf("got %v", err)
		}
	})
}

// hops returns the number of redirects that led to r.
func hops(r *http.Request) (n int) {
	for ; r.Response != nil; r = r.Response.Request {
		n++
	}
	return n
}
