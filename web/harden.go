package web

import (
	"fmt"
	"net/http"
	"runtime/debug"
)

// policy permits our one style sheet and nothing else: no script, no frame, no
// image, no form. Names from strangers are escaped by html/template; this is
// the second wall.
const policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// harden sets the headers that every answer carries.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// catch turns a panic into a log line and a 500, or, when the answer has begun
// already, into a cut connection: half a page must not look like a whole one.
func (s *Server) catch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := &beginWatcher{ResponseWriter: w}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.opts.Logger.Error("a request met a panic",
				"path", r.URL.Path, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			if begun.yes {
				panic(http.ErrAbortHandler)
			}
			http.Error(w, "packseal met a fault of its own; its log says more", http.StatusInternalServerError)
		}()
		next.ServeHTTP(begun, r)
	})
}

// beginWatcher remembers whether an answer has begun.
type beginWatcher struct {
	http.ResponseWriter
	yes bool
}

// WriteHeader begins the answer.
func (w *beginWatcher) WriteHeader(code int) {
	w.yes = true
	w.ResponseWriter.WriteHeader(code)
}

// Write begins the answer, if nothing has.
func (w *beginWatcher) Write(p []byte) (int, error) {
	w.yes = true
	return w.ResponseWriter.Write(p)
}
