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

// grace is how long requests under way may go on after Run was asked to end.
const grace = 10 * time.Second

// Server answers people, scripts, Prometheus and load balancers. Make one
// with [New].
type Server struct {
	opts      Options
	languages languages
	pages     *template.Template
}

// New makes a server. It listens to nothing before Run.
func New(opts Options) (*Server, error) {
	for name, missing := range map[string]bool{
		"Logger":   opts.Logger == nil,
		"Gatherer": opts.Gatherer == nil,
		"Packs":    opts.Packs == nil,
		"Slots":    opts.Slots == nil,
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
	return &Server{opts: opts, languages: newLanguages(), pages: pages}, nil
}

// Handler returns what Run serves, without TLS and passwords.
//
// A path that is not in the list is not found; the mux itself answers 405 with
// Allow where only the method is wrong, and lets HEAD in wherever GET is.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.serveOverview)
	mux.HandleFunc("GET /packs/{source}/{pack...}", s.serveHistory)
	mux.Handle("GET "+stylePath, style())
	mux.HandleFunc("GET /api/v1/packs", s.servePacks)
	mux.HandleFunc("GET /api/v1/slots", s.serveSlots)
	mux.Handle("GET /metrics", s.metrics())
	mux.HandleFunc("GET /-/healthy", s.serveHealthy)
	mux.HandleFunc("GET /-/ready", s.serveReady)
	// A page elsewhere on the web must not be able to have a visitor's browser
	// send this: browsers say where a request comes from, scripts need not.
	mux.Handle("POST /-/reload", http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.serveReload)))
	return harden(s.catch(mux))
}

// Run serves on l until ctx ends, then lets requests under way finish for a
// grace period of ten seconds, cuts what is left, and returns nil. It closes l.
// configFile names a web configuration file as Prometheus exporters have it,
// for TLS and passwords; it is empty for neither.
func (s *Server) Run(ctx context.Context, l net.Listener, configFile string) error {
	defer l.Close() // Serve leaves it open when the file is no good
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		// Strangers' half-open connections and TLS faults are theirs, not ours.
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
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(ending); err != nil {
		s.opts.Logger.Warn("requests were cut at the end", "err", err)
		server.Close()
	}
	<-served
	return nil
}
