package web

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"packseal.example/internal/fault"
)

// scrapes is how many scrapes are answered at once; one more gets a 503.
const scrapes = 4

// metrics answers Prometheus. One collector that fails does not blind the
// others: what could be gathered is shown, and the fault is logged.
func (s *Server) metrics() http.Handler {
	return promhttp.HandlerFor(s.opts.Gatherer, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: scrapes,
		EnableOpenMetrics:   true,
	})
}

// serveHealthy says that the process is alive, and nothing about its work:
// a restart mends no storage that is down.
func (s *Server) serveHealthy(w http.ResponseWriter, _ *http.Request) {
	say(w, http.StatusOK, "healthy", "")
}

// serveReady says whether the daemon does its work.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	if err := s.opts.Ready(); err != nil {
		say(w, http.StatusServiceUnavailable, "not ready: "+err.Error(), fault.Hint(err))
		return
	}
	say(w, http.StatusOK, "ready", "")
}

// serveReload loads the configuration anew, where that is permitted.
func (s *Server) serveReload(w http.ResponseWriter, _ *http.Request) {
	if s.opts.Reload == nil {
		say(w, http.StatusForbidden, "reloading over HTTP is off", "web.reload: true permits it; SIGHUP works in any case")
		return
	}
	if err := s.opts.Reload(); err != nil {
		say(w, http.StatusInternalServerError, "reloading: "+err.Error(), fault.Hint(err))
		return
	}
	say(w, http.StatusOK, "reloaded", "")
}

// say answers with one line of text, and a hint on a line of its own.
func say(w http.ResponseWriter, code int, line, hint string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	if hint != "" {
		line = fmt.Sprintf("%s\nhint: %s", line, hint)
	}
	io.WriteString(w, line+"\n")
}
