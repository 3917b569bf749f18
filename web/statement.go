package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"packseal.example/internal/fault"
)

// StatementQuery asks for a statement: days or RFC 3339 times, the last of which is
// included, as a visitor wrote them.
type StatementQuery struct {
	From, To string
	Zone     string // "" = the one of the configuration
	Lang     string // of the page at first: "en" or "zh"
}

// StatementPage is a whole page.
type StatementPage struct {
	HTML  []byte
	Style string // the source of its style sheet, as a content security policy names it
}

// statementTimeout bounds how long a statement is computed: within what an answer may
// take.
const statementTimeout = 50 * time.Second

// refuse says on a page why there is no other.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, code int, err error) {
	p := s.newPage(r)
	p.Title, p.Why = p.L.NoStatement, strings.TrimSuffix(err.Error()+". "+fault.Hint(err), ". ")
	s.render(w, code, "error.html", p, p.L)
}

// serveStatement shows what was due within a period, and what became of it.
func (s *Server) serveStatement(w http.ResponseWriter, r *http.Request) {
	l, query := s.locales.choose(r), r.URL.Query()
	if s.opts.Statement == nil || s.ledger() == nil {
		s.refuse(w, r, http.StatusNotFound, fault.New(fault.NotFound, "no ledger is configured").WithHint("docs/ledger.md says how to turn it on"))
		return
	}
	q := StatementQuery{From: query.Get("from"), To: query.Get("to"), Zone: query.Get("zone"), Lang: "en"}
	if l.Tag != "en" {
		q.Lang = "zh"
	}
	if q.From == "" && q.To == "" {
		now := time.Now().UTC()
		query.Set("from", now.AddDate(0, 0, 1-now.Day()).Format(time.DateOnly))
		query.Set("to", now.Format(time.DateOnly))
		http.Redirect(w, r, (&url.URL{Path: r.URL.Path, RawQuery: query.Encode()}).String(), http.StatusFound)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), statementTimeout)
	defer cancel()
	p, err := s.opts.Statement(ctx, q)
	if err != nil {
		code := http.StatusServiceUnavailable
		switch fault.Of(err) {
		case fault.Request:
			code = http.StatusBadRequest
		case fault.NotFound:
			code = http.StatusNotFound
		}
		s.refuse(w, r, code, err)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src '"+p.Style+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Vary", "Accept-Language")
	w.Write(p.HTML)
}
