package web

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"packseal.example/internal/evidence"
)

// paths are all that the server answers to GET.
var paths = []string{
	"/", "/packs/prod/cp-a", stylePath, "/api/v1/packs", "/api/v1/slots?source=prod&pack=cp-a",
	"/api/v1/status", "/metrics", "/-/healthy", "/-/ready",
}

func TestHeadersOnEveryAnswer(t *testing.T) {
	t.Parallel()
	h := handler(t, options(1, sealedPack("cp-a", "")))
	for _, path := range append([]string{"/nothing", "/packs/prod/no", "/-/reload", "/api/v1/slots"}, paths...) {
		header := get(h, path).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy":      policy,
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Server":                       "",
			"Access-Control-Allow-Origin":  "",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		cache := "no-store"
		if path == stylePath {
			cache = "no-cache"
		}
		if got := header.Get("Cache-Control"); got != cache {
			t.Errorf("%s: Cache-Control is %q, want %q", path, got, cache)
		}
	}
}

// The policy forbids whatever is inline, so nothing may be.
func TestNothingInline(t *testing.T) {
	t.Parallel()
	h := handler(t, options(1, sealedPack("cp-a", ""), gapPack("cp-g", "")))
	for _, path := range []string{"/", "/packs/prod/cp-a", "/packs/prod/no"} {
		body := get(h, path).Body.String()
		wantNone(t, body, "<script", "<style", "style=", "onclick", "http://", "https://", "ZgotmplZ")
		wantAll(t, body, `<link rel="stylesheet" href="/style.css">`, `<a class="skip" href="#main">`, `<main id="main">`)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(handler(t, options(1, sealedPack("cp-a", ""))))
	t.Cleanup(server.Close)
	for _, path := range paths {
		for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "PUT": 405, "DELETE": 405, "OPTIONS": 405, "PATCH": 405} {
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != want {
				t.Errorf("%s %s answers %d, want %d", method, path, answer.StatusCode, want)
			}
			if want == 405 && answer.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: Allow is %q", method, path, answer.Header.Get("Allow"))
			}
		}
	}
}

func TestUnknownPathsAreNotFound(t *testing.T) {
	t.Parallel()
	h := handler(t, options(0))
	for _, path := range []string{"/x", "/index.html", "/assets/style.css", "/api", "/api/v1/", "/api/v1/packs/", "/debug/pprof/", "/-/", "/packs/"} {
		if w := get(h, path); w.Code != http.StatusNotFound {
			t.Errorf("%s answers %d", path, w.Code)
		}
	}
}

func TestStyleIsAskedForOnce(t *testing.T) {
	t.Parallel()
	h := handler(t, options(0))
	w := get(h, stylePath)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("%d, %s", w.Code, w.Header().Get("Content-Type"))
	}
	if again := get(h, stylePath, "If-None-Match: "+w.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("asked again with its tag, it answers %d", again.Code)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	t.Parallel()
	opts := options(0, sealedPack("cp-a", ""))
	logger, log := logged()
	opts.Logger = logger
	opts.Records = func(context.Context, Query) iter.Seq2[evidence.Record, error] { panic("out of cheese") }
	h := handler(t, opts)
	w := get(h, "/packs/prod/cp-a")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "cheese") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
	wantAll(t, log.String(), "request panicked", "/packs/prod/cp-a", "out of cheese", "history.go")
	if w := get(h, "/"); w.Code != http.StatusOK {
		t.Errorf("another page answers %d", w.Code)
	}
}

// An answer that has begun is cut, so that nobody takes it for a whole one.
func TestPanicInMidAnswerCutsIt(t *testing.T) {
	t.Parallel()
	s, err := New(options(0))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.catch(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("half"))
		panic("out of cheese")
	})))
	t.Cleanup(server.Close)
	if answer, err := server.Client().Get(server.URL); err == nil {
		t.Errorf("the cut answer has status %d and no error", answer.StatusCode)
		answer.Body.Close()
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	h := handler(t, options(20, sealedPack("cp-a", "MLPS"), gapPack("cp-g", "")))
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			path := paths[i%len(paths)]
			if path == "/metrics" { // bounded: see TestMetricsAreBounded
				return
			}
			if w := get(h, path, "Accept-Language: "+[]string{"zh", "en"}[i/8%2]); w.Code != http.StatusOK {
				t.Errorf("%s answers %d", path, w.Code)
			}
		})
	}
	wg.Wait()
}
