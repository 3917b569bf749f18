package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"packseal.example/internal/fault"
)

//go:embed assets
var assets embed.FS

// stylePath is the path of the style sheet. It is not inline, so that the policy
// can forbid everything inline.
const stylePath = "/style.css"

// style serves the style sheet. Browsers cache it and ask whether it changed.
func style() http.Handler {
	css, err := assets.ReadFile("assets/style.css")
	if err != nil {
		panic(err) // it is compiled in
	}
	sum := sha256.Sum256(css)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(css))
	})
}

// page is what every page has.
type page struct {
	L       *locale
	Title   string
	Version string
	Style   string
	Now     timestamp
	Trouble string // why packseal is not ready, or empty
	Hint    string
	Why     string // of an error, what and what to do; or empty

	url  *url.URL
	time time.Time
	zone *time.Location // of the times that are of no single pack
}

func (s *Server) newPage(r *http.Request) page {
	l, now := s.locales.choose(r), time.Now()
	p := page{L: l, Version: s.opts.Version, Style: stylePath, url: r.URL, time: now}
	p.in(time.UTC)
	if err := s.opts.Ready(); err != nil {
		p.Trouble, p.Hint = err.Error(), fault.Hint(err)
	}
	return p
}

// in sets the page's zone.
func (p *page) in(zone *time.Location) {
	p.zone, p.Now = zone, p.L.timestamp(p.time, p.time, zone)
}

// Link returns the address of path, keeping the language that was asked for.
func (p page) Link(path string) string {
	u := url.URL{Path: path}
	if lang := p.url.Query().Get("lang"); lang != "" {
		u.RawQuery = url.Values{"lang": {p.L.Tag}}.Encode()
	}
	return u.String()
}

// With returns the address of this page with one parameter set, or removed
// when value is empty.
func (p page) With(name, value string) string {
	q := p.url.Query()
	q.Set(name, value)
	if value == "" {
		q.Del(name)
	}
	return (&url.URL{Path: p.url.Path, RawQuery: q.Encode()}).String()
}

// render writes a page.
func (s *Server) render(w http.ResponseWriter, code int, name string, data any, l *locale) {
	var body bytes.Buffer // rendered first, so that an error is a 500 and not half a page
	if err := s.pages.ExecuteTemplate(&body, name, data); err != nil {
		s.opts.Logger.Error("rendering page failed", "err", err)
		http.Error(w, "rendering the page", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", l.Tag)
	h.Set("Vary", "Accept-Language")
	w.WriteHeader(code)
	w.Write(body.Bytes())
}

// packPath is the path of a pack's own page.
func packPath(p Pack) string { return fmt.Sprintf("/packs/%s/%s", p.Source, p.Key) }
