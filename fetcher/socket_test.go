package fetcher_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"packseal.example/fetcher"
	"packseal.example/internal/fault"
)

// served fetches once from a server that answers so.
func served(t *testing.T, query string, settings fetcher.Settings, answer http.HandlerFunc) (*house, fetcher.Report, error) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	settings.PollMin, settings.PollMax = time.Millisecond, time.Millisecond
	h := newHouse(t, &source{lookup: always(fetcher.Link{URL: fetcher.SecretURL(server.URL + "/a%2fb/r.xls" + query)})}, nil, settings)
	r, err := h.fetch(t.Context(), t)
	return h, r, err
}

// TestRequestAsSigned: what a link's signature covers goes out as it was
// written: the verb, the path, the query, and no header of ours that counts.
func TestRequestAsSigned(t *testing.T) {
	t.Parallel()
	query := "?security-token=a%2Bb%2fc/d+e=&b=&Expires=1&a=%e5%8C%85&Signature=" + mark + "&x"
	_, _, err := served(t, query, fetcher.Settings{}, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Method + " " + r.RequestURI; got != "GET /a%2fb/r.xls"+query {
			t.Errorf("the request was %s", got)
		}
		for name := range r.Header {
			if name != "User-Agent" {
				t.Errorf("it has the header %s: %s", name, r.Header.Get(name))
			}
		}
		w.Write(content(1000))
	})
	if err != nil {
		t.Error(err)
	}
}

// TestBodyAsStored: a body that is stored compressed stays so, as its sums are
// of it.
func TestBodyAsStored(t *testing.T) {
	t.Parallel()
	var stored bytes.Buffer
	z := gzip.NewWriter(&stored)
	z.Write(content(1 << 20)) //nolint:errcheck // to memory
	z.Close()                 //nolint:errcheck // to memory
	h, r, err := served(t, "", fetcher.Settings{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("X-Oss-Hash-Crc64ecma", crc(stored.Bytes()))
		w.Write(stored.Bytes())
	})
	if err != nil || r.Container != fetcher.Other || !bytes.Equal(h.body(t), stored.Bytes()) {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestConnectionFails: what net/http makes of a connection in trouble is
// damage or absence, says nothing of the link, and is tried again.
func TestConnectionFails(t *testing.T) {
	t.Parallel()
	whole := content(1000)
	part := func(w http.ResponseWriter, n int) {
		w.Header().Set("Content-Length", "1000")
		w.Write(whole[:n])
		w.(http.Flusher).Flush()
	}
	for name, c := range map[string]struct {
		trouble http.HandlerFunc
		want    fault.Reason
	}{
		"cut before the header": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, fault.Unavailable},
		"cut in the body":       {func(w http.ResponseWriter, _ *http.Request) { part(w, 600); panic(http.ErrAbortHandler) }, fault.Damaged},
		"stuck in the header":   {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, fault.Unavailable},
		"stuck in the body":     {func(w http.ResponseWriter, r *http.Request) { part(w, 600); <-r.Context().Done() }, fault.Damaged},
		"not http at all": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprintf(conn, "220 %s ready\r\n", mark[:4])
				conn.Close()
			}
		}, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := fetcher.Settings{StallAfter: 50 * time.Millisecond}
			_, _, err := served(t, "?Signature="+mark, settings, c.trouble)
			if fault.Of(err) != c.want {
				t.Errorf("got %v (%s), want %s", err, fault.Of(err), c.want)
			}
			var n atomic.Int32
			settings.StallAfter = time.Minute // the whole one is not cut, however slow the machine
			if strings.HasPrefix(name, "stuck") {
				return
			}
			_, r, err := served(t, "?Signature="+mark, settings, func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) < tries {
					c.trouble(w, r)
				}
				part(w, 1000)
			})
			if err != nil || r.Size != 1000 {
				t.Errorf("%d bytes, %v, after %d downloads", r.Size, err, n.Load())
			}
		})
	}
}

// TestNobodyListens: an address where nobody listens is no fault of the link.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	settings := fetcher.Settings{PollMin: time.Millisecond, PollMax: time.Millisecond}
	src := &source{lookup: always(linkTo(server.URL + "/r.xls"))}
	h := newHouse(t, src, nil, settings)
	if _, err := h.fetch(t.Context(), t); fault.Of(err) != fault.Unavailable || src.lookups != 1 {
		t.Errorf("got %v after %d lookups", err, src.lookups)
	}
}
