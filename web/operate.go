package web

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"packseal.example/internal/fault"
)

// maxScrapes is how many scrapes are served at once; one more gets a 503.
const maxScrapes = 4

// metrics serves Prometheus. If a collector fails, the metrics of the others are
// served all the same, and the error is logged.
func (s *Server) metrics() http.Handler {
	return promhttp.HandlerFor(s.opts.Gatherer, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
	})
}

// serveHealthy says that the process is alive, and nothing about its work: a
// restart does not repair storage that is down.
func (s *Server) serveHealthy(w http.ResponseWriter, _ *http.Request) {
	say(w, http.StatusOK, "healthy", "")
}

// serveReady says whether the daemon does its work, or why it does not.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	if err := s.opts.Ready(); err != nil {
		say(w, http.StatusServiceUnavailable, "not ready: "+err.Error(), fault.Hint(err))
		return
	}
	say(w, http.StatusOK, "ready", "")
}

// serveReload reloads the configuration, if that is permitted.
func (s *Server) serveReload(w http.ResponseWriter, _ *http.Request) {
	if s.opts.Reload == nil {
		say(w, http.StatusForbidden, "reloading over HTTP is disabled", "web.reload: true enables it; SIGHUP always works")
		return
	}
	if err := s.opts.Reload(); err != nil {
		say(w, http.StatusInternalServerError, "reloading: "+err.Error(), fault.Hint(err))
		return
	}
	say(w, http.StatusOK, "reloaded", "")
}

// say responds with one line of text, and the hint on a second line.
func say(w http.ResponseWriter, code int, line, hint string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	if hint != "" {
		line = fmt.Sprintf("%s\nhint: %s", line, hint)
	}
	io.WriteString(w, line+"\n")
}
