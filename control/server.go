package control

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	maxOrder     = 1 << 20 // bytes of an order
	mostNames    = 1000    // of an order
	longestBy    = 128     // bytes
	longestPause = 366 * 24 * time.Hour
	maxWhy       = 500             // bytes
	patience     = 5 * time.Minute // for a line to be taken
	grace        = 2 * time.Second // for requests that are served at the end
)

// Server serves the socket. Make one with [Listen].
type Server struct {
	daemon Daemon
	logger *slog.Logger
	l      net.Listener
}

// Listen opens the socket in dir, which is made if missing.
func Listen(ctx context.Context, dir string, d Daemon, logger *slog.Logger) (*Server, error) {
	l, err := listen(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	return &Server{d, logger, l}, nil
}

// Run serves until ctx ends; then the socket is gone.
func (s *Server) Run(ctx context.Context) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/queue", s.serveList)
	mux.HandleFunc("GET /v1/records", s.serveRecords)
	mux.HandleFunc("GET /v1/seen", s.serveSeen)
	mux.HandleFunc("POST /v1/settled", s.serveSettled())
	mux.HandleFunc("GET /v1/status", s.serveStatus)
	mux.HandleFunc("POST /v1/reload", s.serveReload())
	mux.HandleFunc("GET /v1/packs", s.servePacks)
	mux.HandleFunc("POST /v1/packs", s.serveListing())
	mux.HandleFunc("POST /v1/queue/pause", s.serveOrder(s.daemon.Pause, true))
	mux.HandleFunc("POST /v1/queue/resume", s.serveOrder(s.daemon.Resume, false))
	server := &http.Server{
		Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: patience, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if server.Shutdown(ending) != nil {
			server.Close()
		}
	})
	err := server.Serve(s.l)
	if stop() { // Serve returned by itself
		s.logger.WarnContext(ctx, "control socket failed", "err", err)
		return
	}
	<-ended
}

// refuse answers with an error.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	p := NewProblem(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.code())
	json.NewEncoder(w).Encode(p) //nolint:errcheck // the client is gone
}
