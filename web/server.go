package web

import (
	"context"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// drainTimeout is how long requests in progress may take once Run's context has
// ended.
const drainTimeout = 10 * time.Second

// Server is the HTTP server. Make one with [New].
type Server struct {
	opts    Options
	locales locales
	pages   *template.Template
}

// New makes a server. It does not listen before [Server.Run].
func New(opts Options) (*Server, error) {
	for name, missing := range map[string]bool{
		"Logger":   opts.Logger == nil,
		"Gatherer": opts.Gatherer == nil,
		"Packs":    opts.Packs == nil,
		"Records":  opts.Records == nil,
		"GapAcks":  opts.GapAcks == nil,
		"Status":   opts.Status == nil,
		"Ready":    opts.Ready == nil,
	} {
		if missing {
			return nil, fmt.Errorf("making the web server: %s is required", name)
		}
	}
	pages, err := template.ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, fmt.Errorf("parsing the pages: %w", err)
	}
	return &Server{opts: opts, locales: newLocales(), pages: pages}, nil
}

// Handler returns what Run serves, without TLS and passwords.
//
// A path that is not listed is a 404. The mux itself answers 405 with Allow if
// only the method is wrong, and accepts HEAD wherever GET is accepted.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range s.routes() {
		mux.Handle(pattern, h)
	}
	return harden(s.catch(mux))
}

// routes are the patterns of [http.ServeMux] that are served. docs/openapi.yaml
// describes those that are not pages.
func (s *Server) routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /{$}":                      http.HandlerFunc(s.serveOverview),
		"GET /packs/{source}/{pack...}": http.HandlerFunc(s.serveHistory),
		"GET /statement":                http.HandlerFunc(s.serveStatement),
		"GET " + stylePath:              style(),
		"GET /api/v1/packs":             http.HandlerFunc(s.servePacks),
		"GET /api/v1/slots":             http.HandlerFunc(s.serveSlots),
		"GET /api/v1/status":            http.HandlerFunc(s.serveStatus),
		"GET /api/v1/ledger":            http.HandlerFunc(s.serveLedger),
		"GET /metrics":                  s.metrics(),
		"GET /-/healthy":                http.HandlerFunc(s.serveHealthy),
		"GET /-/ready":                  http.HandlerFunc(s.serveReady),
		// Another site must not be able to make a visitor's browser send this.
		// Browsers say where a request comes from; scripts need not.
		"POST /-/reload": http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.serveReload)),
	}
}

// Run serves on l until ctx ends, gives requests in progress ten seconds to
// finish, aborts the others, and returns nil. It closes l. configFile names a web
// configuration file of Prometheus exporters, for TLS and passwords; empty means
// neither.
func (s *Server) Run(ctx context.Context, l net.Listener, configFile string) error {
	defer l.Close() // Serve leaves it open if the file is invalid
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		// Half-open connections and TLS errors are the client's problem.
		ErrorLog: slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		served <- web.Serve(l, server, &web.FlagConfig{WebConfigFile: &configFile}, s.opts.Logger)
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serving on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(ending); err != nil {
		s.opts.Logger.Warn("requests aborted at shutdown", "err", err)
		server.Close()
	}
	<-served
	return nil
}
