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
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// served fetches the report from a server with that handler.
func served(t *testing.T, query string, settings fetcher.Settings, answer http.HandlerFunc) (*fixture, fetcher.Report, error) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	settings.PollMin, settings.PollMax = time.Millisecond, time.Millisecond
	h := newFixture(t, &source{lookup: always(fetcher.Link{URL: fetcher.SecretURL(server.URL + "/a%2fb/r.xls" + query)})}, nil, settings)
	r, err := h.fetch(t.Context(), t)
	return h, r, err
}

// What the signature of a link covers is sent unchanged: method, path and query,
// without extra headers.
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

// A body that is stored compressed is not decompressed, and the report says so.
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
	if err != nil || r.Container != evidence.OLE2 || r.ContentEncoding != "gzip" || r.Ext() != "xls.gz" || !bytes.Equal(h.body(t), stored.Bytes()) {
		t.Errorf("%+v, %v", r, err)
	}
}

// Errors of the connection are classified, do not contain the link, and are
// retried.
func TestConnectionFails(t *testing.T) {
	t.Parallel()
	whole := content(1000)
	part := func(w http.ResponseWriter, n int) {
		w.Header().Set("Content-Length", "1000")
		w.Write(whole[:n])
		w.(http.Flusher).Flush()
	}
	for name, c := range map[string]struct {
		fails http.HandlerFunc
		want  fault.Reason
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
			if c.want == fault.Damaged { // the beginning must come in time
				settings.StallAfter = 500 * time.Millisecond
			}
			_, _, err := served(t, "?Signature="+mark, settings, c.fails)
			if fault.Of(err) != c.want {
				t.Errorf("got %v (%s), want %s", err, fault.Of(err), c.want)
			}
			var n atomic.Int32
			settings.StallAfter = time.Minute // the good download must not time out on a slow machine
			if strings.HasPrefix(name, "stuck") {
				return
			}
			_, r, err := served(t, "?Signature="+mark, settings, func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) < tries {
					c.fails(w, r)
				}
				part(w, 1000)
			})
			if err != nil || r.Size != 1000 {
				t.Errorf("%d bytes, %v, after %d downloads", r.Size, err, n.Load())
			}
		})
	}
}

// If the connection is refused, the link is not looked up again.
func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	settings := fetcher.Settings{PollMin: time.Millisecond, PollMax: time.Millisecond}
	src := &source{lookup: always(linkTo(server.URL + "/r.xls"))}
	h := newFixture(t, src, nil, settings)
	if _, err := h.fetch(t.Context(), t); fault.Of(err) != fault.Unavailable || src.lookups != 1 {
		t.Errorf("got %v after %d lookups", err, src.lookups)
	}
}
