package fetcher_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/fault"
)

// A link to a host that is not permitted is not followed.
func TestLinkRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ address, want string }{
		"other host":          {"https://bucket.example.net/r.xls", "bucket.example.net"},
		"the domain itself":   {"https://example.com/r.xls", "link_hosts"},
		"a look-alike":        {"https://bucketexample.com/r.xls", "link_hosts"},
		"http":                {"http://bucket.example.com/r.xls", "loopback"},
		"http, not loopback":  {"http://192.0.2.1/r.xls", "loopback"},
		"ftp":                 {"ftp://bucket.example.com/r.xls", "neither http nor https"},
		"no scheme":           {"//bucket.example.com/r.xls", "neither http nor https"},
		"a user":              {"https://u@bucket.example.com/r.xls", "user name"},
		"a user and password": {"https://u:" + mark + "@bucket.example.com/r.xls", "user name"},
		"no URL":              {"https://bucket.example.com/%zz", "not a URL"},
		"a number for a host": {"http://2130706433/r.xls", "loopback"},
		"host of a hint":      {"https://bucket.example.net:444/r.xls", "bucket.example.net"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				src := &source{lookup: always(linkTo(c.address))}
				h := newFixture(t, src, &store{answer: good}, fetcher.Settings{})
				_, err := h.fetch(t.Context(), t)
				if fault.Of(err) != fault.LinkRefused || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want a refusal with %q", err, c.want)
				}
				if len(h.store.seen) != 0 {
					t.Error("the link was followed")
				}
				if src.lookups != tries || len(src.attempts) != 1 {
					t.Errorf("%d lookups and %d reports requested, want %d and 1", src.lookups, len(src.attempts), tries)
				}
			})
		})
	}
}

// Host names are not case sensitive, and loopback addresses need no TLS.
func TestLinkPermitted(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"https://bucket.example.com/r.xls", "https://Bucket.EXAMPLE.com:8443/r.xls", "https://a.b.example.com/r.xls",
		"http://127.0.0.1:9000/r.xls", "http://[::1]:9000/r.xls", "http://localhost/r.xls",
	} {
		h := newFixture(t, &source{lookup: always(linkTo(address))}, &store{answer: good}, fetcher.Settings{})
		if r, err := h.fetch(t.Context(), t); err != nil || r.Name != "r.xls" {
			t.Errorf("%s: %q, %v", address, r.Name, err)
		}
	}
}

func TestAllowHTTP(t *testing.T) {
	t.Parallel()
	f, err := fetcher.New(fetcher.Options{
		Source: &source{lookup: always(linkTo("http://bucket.example.com/r.xls"))}, Transport: &store{answer: good},
		Bounds: fetcher.Bounds{LinkHosts: []string{"bucket.example.com"}, AllowHTTP: true}, Logger: discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	h := newFixture(t, nil, nil, fetcher.Settings{})
	e, err := h.spool.Lock(t.Context(), aSlot)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := f.Fetch(t.Context(), e, aSlot); err != nil {
		t.Error(err)
	}
}

// If a link has expired, a new one is looked up, a limited number of times. The
// report is not requested again.
func TestExpiredLink(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]func() *http.Response{
		"expired":          func() *http.Response { return refuse(403, "AccessDenied", "Request has expired.") },
		"token expired":    func() *http.Response { return refuse(403, "SecurityTokenExpired", "The token is old.") },
		"key gone":         func() *http.Response { return refuse(403, "InvalidAccessKeyId", "No such key: OSSAccessKeyId="+mark) },
		"S3 token":         func() *http.Response { return refuse(400, "ExpiredToken", "") },
		"expired with 200": func() *http.Response { return refuse(200, "AccessDenied", "Request has expired.") },
	} {
		for bad, recovers := range map[int]bool{1: true, tries - 1: true, tries: false} {
			t.Run(fmt.Sprintf("%s, %d times", name, bad), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					st := &store{answer: func(n int, r *http.Request) *http.Response {
						if n < bad {
							return refusal()
						}
						return good(n, r)
					}}
					src := &source{lookup: func(n int, _ fetcher.Ticket) (fetcher.Link, error) {
						return linkTo(fmt.Sprintf("https://bucket.example.com/%d.xls", n)), nil
					}}
					h := newFixture(t, src, st, fetcher.Settings{})
					r, err := h.fetch(t.Context(), t)
					if recovers && (err != nil || r.Name != fmt.Sprintf("%d.xls", bad)) {
						t.Errorf("%q, %v: want the report by the fresh link", r.Name, err)
					}
					if !recovers && fault.Of(err) != fault.LinkExpired {
						t.Errorf("got %v", err)
					}
					if want := min(bad+1, tries); src.lookups != want || len(st.seen) != want || len(src.attempts) != 1 {
						t.Errorf("%d lookups, %d downloads, %d reports requested; want %d, %d, 1", src.lookups, len(st.seen), len(src.attempts), want, want)
					}
					if n, _ := h.value(t, "packseal_link_refreshes_total"); int(n) != src.lookups-1 {
						t.Errorf("counted %v refreshes of %d", n, src.lookups-1)
					}
				})
			})
		}
	}
}

// Other error responses, with their reason and message.
func TestStoreRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer   func() *http.Response
		want     fault.Reason
		lookups  int
		mentions string
	}{
		"signature":    {func() *http.Response { return refuse(403, "SignatureDoesNotMatch", "Signature="+mark) }, fault.LinkRefused, tries, "403 SignatureDoesNotMatch"},
		"no object":    {func() *http.Response { return refuse(404, "NoSuchKey", "gone") }, fault.LinkRefused, tries, "NoSuchKey: gone, R-1"},
		"no right":     {func() *http.Response { return refuse(403, "AccessDenied", "no right") }, fault.LinkRefused, tries, "no right"},
		"a proxy":      {func() *http.Response { return serve(502, []byte("<html>"+mark)) }, fault.Unavailable, 1, "502"},
		"its own":      {func() *http.Response { return refuse(500, "InternalError", "oops") }, fault.Unavailable, 1, "InternalError"},
		"too fast":     {func() *http.Response { return serve(429, nil) }, fault.Unavailable, 1, "429"},
		"no content":   {func() *http.Response { return serve(204, nil) }, fault.LinkRefused, tries, "204"},
		"a part of it": {func() *http.Response { return serve(206, content(1000)) }, fault.LinkRefused, tries, "206"},
		"nobody there": {func() *http.Response { return nil }, fault.Unavailable, 1, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				src := &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}
				h := newFixture(t, src, &store{answer: func(int, *http.Request) *http.Response { return c.answer() }}, fetcher.Settings{})
				_, err := h.fetch(t.Context(), t)
				if fault.Of(err) != c.want || !strings.Contains(err.Error(), c.mentions) {
					t.Errorf("got %v (%s), want %s with %q", err, fault.Of(err), c.want, c.mentions)
				}
				if src.lookups != c.lookups || len(h.store.seen) != tries {
					t.Errorf("%d lookups, %d downloads; want %d, %d", src.lookups, len(h.store.seen), c.lookups, tries)
				}
			})
		})
	}
}

// A link that is about to expire is replaced before the download, once.
func TestLinkMargin(t *testing.T) {
	t.Parallel()
	const margin, hour = 2 * time.Minute, time.Hour
	for name, c := range map[string]struct {
		lives   []time.Duration // of each link that is looked up; the last stays
		skew    time.Duration   // of the source's clock
		lookups int
		left    time.Duration // observed at the download
	}{
		"long":                    {[]time.Duration{hour}, 0, 1, hour},
		"just enough":             {[]time.Duration{margin}, 0, 1, margin},
		"soon to expire":          {[]time.Duration{margin - time.Second, hour}, 0, 2, hour},
		"expired":                 {[]time.Duration{-time.Minute, hour}, 0, 2, hour},
		"none lives longer":       {[]time.Duration{30 * time.Second}, 0, 2, 30 * time.Second},
		"our clock is far behind": {[]time.Duration{hour}, 9 * hour, 1, hour},
		"our clock is far ahead":  {[]time.Duration{hour}, -9 * hour, 1, hour},
		"ahead, soon to expire":   {[]time.Duration{time.Minute, hour}, -9 * hour, 2, hour},
		"behind, soon to expire":  {[]time.Duration{time.Minute, hour}, 9 * hour, 2, hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				src := &source{lookup: func(n int, _ fetcher.Ticket) (fetcher.Link, error) {
					return expiring(c.lives[min(n, len(c.lives)-1)], c.skew), nil
				}}
				h := newFixture(t, src, &store{answer: good}, fetcher.Settings{LinkMargin: margin})
				if _, err := h.fetch(t.Context(), t); err != nil {
					t.Fatal(err)
				}
				if src.lookups != c.lookups {
					t.Errorf("%d lookups, want %d", src.lookups, c.lookups)
				}
				left, n := h.value(t, "packseal_link_remaining_seconds")
				if n != 1 || left < c.left.Seconds()-1 || left > c.left.Seconds() {
					t.Errorf("observed %v s in %d downloads, want %s", left, n, c.left)
				}
			})
		})
	}
}

// A link can expire while downloads fail.
func TestLinkExpiresBetweenDownloads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &source{lookup: func(int, fetcher.Ticket) (fetcher.Link, error) { return expiring(10*time.Minute, time.Hour), nil }}
		st := &store{answer: func(n int, r *http.Request) *http.Response {
			if n == 0 {
				return serve(503, nil)
			}
			return good(n, r)
		}}
		h := newFixture(t, src, st, fetcher.Settings{PollMin: 20 * time.Minute, PollMax: 20 * time.Minute})
		if _, err := h.fetch(t.Context(), t); err != nil {
			t.Fatal(err)
		}
		if src.lookups != 2 || len(st.seen) != 2 {
			t.Errorf("%d lookups, %d downloads, want a fresh link for the second download", src.lookups, len(st.seen))
		}
	})
}

// A link without an expiry is used as it is, and not observed.
func TestLinkWithoutExpiry(t *testing.T) {
	t.Parallel()
	src := &source{lookup: always(linkTo("https://bucket.example.com/r.xls"))}
	h := newFixture(t, src, &store{answer: good}, fetcher.Settings{})
	if _, err := h.fetch(t.Context(), t); err != nil {
		t.Fatal(err)
	}
	if _, n := h.value(t, "packseal_link_remaining_seconds"); n != 0 || src.lookups != 1 {
		t.Errorf("%d observations, %d lookups", n, src.lookups)
	}
}

// An error of the lookup for a new link is returned.
func TestRefreshFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &source{lookup: func(n int, _ fetcher.Ticket) (fetcher.Link, error) {
			if n > 0 {
				return fetcher.Link{}, fault.New(fault.Denied, "no more")
			}
			return expiring(time.Second, 0), nil
		}}
		h := newFixture(t, src, &store{answer: good}, fetcher.Settings{})
		if _, err := h.fetch(t.Context(), t); fault.Of(err) != fault.Denied || len(h.store.seen) != 0 {
			t.Errorf("got %v after %d downloads", err, len(h.store.seen))
		}
	})
}
