package web

import (
	"fmt"
	"net/http"
	"runtime/debug"
)

// policy permits our style sheet and nothing else: no script, frame, image or
// form. html/template escapes untrusted names; this is the second line of defense.
const policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// harden sets the security headers of every response.
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

// catch turns a panic into a log line and a 500 or, if the response has begun,
// into an aborted connection: half a page must not look like a whole one.
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
			s.opts.Logger.ErrorContext(r.Context(), "request panicked", "path", r.URL.Path, "err", fmt.Sprint(v), "stack", string(debug.Stack()))
			if begun.yes {
				panic(http.ErrAbortHandler)
			}
			http.Error(w, "internal error; the log of packseal has the details", http.StatusInternalServerError)
		}()
		next.ServeHTTP(begun, r)
	})
}

// beginWatcher records whether a response has begun.
type beginWatcher struct {
	http.ResponseWriter
	yes bool
}

// WriteHeader begins the response.
func (w *beginWatcher) WriteHeader(code int) {
	w.yes = true
	w.ResponseWriter.WriteHeader(code)
}

// Write begins the response, unless it has begun.
func (w *beginWatcher) Write(p []byte) (int, error) {
	w.yes = true
	return w.ResponseWriter.Write(p)
}
