package control

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"packseal.example/internal/fault"
)

const (
	maxOrder  = 1 << 20         // bytes of an order
	mostNames = 1000            // of an order
	longestBy = 128             // bytes
	maxWhy    = 500             // bytes
	patience  = 5 * time.Minute // for a listing to be taken
	grace     = 2 * time.Second // for requests under way at the end
)

// Server serves the socket. Make one with [Listen].
type Server struct {
	queue  Queue
	logger *slog.Logger
	l      net.Listener
}

// Listen opens the socket in dir, which is made if missing.
func Listen(ctx context.Context, dir string, q Queue, logger *slog.Logger) (*Server, error) {
	l, err := listen(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	return &Server{q, logger, l}, nil
}

// Run serves until ctx ends; then the socket is gone.
func (s *Server) Run(ctx context.Context) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/queue", s.serveList)
	mux.HandleFunc("POST /v1/queue/pause", s.serveOrder(s.queue.Pause, true))
	mux.HandleFunc("POST /v1/queue/resume", s.serveOrder(s.queue.Resume, false))
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
	if stop() { // it ended by itself
		s.logger.WarnContext(ctx, "the control socket is served no more", "err", err)
		return
	}
	<-ended
}

// serveList writes a line as soon as it is known: a queue may be long.
func (s *Server) serveList(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	sel := Selection{Source: q.Get("source"), Names: q["name"]}
	if limit := q.Get("limit"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 0 {
			s.refuse(w, fault.New(fault.Request, "%.20q is not a limit", limit))
			return
		}
		sel.Limit = n
	}
	l, err := s.queue.List(r.Context(), sel)
	if err != nil {
		s.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	for _, p := range l.Pauses {
		lines.Encode(Line{Pause: &p}) //nolint:errcheck // who has gone away misses nothing
	}
	for _, m := range l.Members {
		lines.Encode(Line{Member: &m}) //nolint:errcheck // likewise
	}
	total := Total{States: l.Counts}
	for _, n := range l.Counts {
		total.More += n
	}
	if sel.Limit > 0 {
		total.More = max(0, total.More-sel.Limit)
	} else {
		total.More = 0
	}
	for slot, err := range l.Slots {
		if err != nil {
			lines.Encode(Line{Error: problem(err)}) //nolint:errcheck // likewise
			return
		}
		if lines.Encode(Line{Slot: &slot}) != nil {
			return
		}
		total.Listed++
	}
	lines.Encode(Line{Total: &total}) //nolint:errcheck // likewise
}

// serveOrder carries out an order.
func (s *Server) serveOrder(do func(context.Context, Order) ([]Outcome, error), why bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var o Order
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder)).Decode(&o); err != nil {
			s.refuse(w, fault.New(fault.Request, "reading the order: %w", err))
			return
		}
		if err := o.check(why); err != nil {
			s.refuse(w, err)
			return
		}
		outcomes, err := do(r.Context(), o)
		if err != nil {
			s.refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(outcomes) //nolint:errcheck // who has gone away can ask again
	}
}

// check holds an order to its bounds: its words are kept, logged and shown.
func (o Order) check(why bool) error {
	switch {
	case len(o.Names) == 0 || len(o.Names) > mostNames:
		return fault.New(fault.Request, "from 1 to %d sources and packs can be named at once, not %d", mostNames, len(o.Names))
	case o.By == "" || len(o.By) > longestBy || !printable(o.By):
		return fault.New(fault.Request, "%.20q is not somebody's name", o.By)
	case why && o.Why == "":
		return fault.New(fault.Request, "a pause needs a reason").WithHint("--why says it to whoever finds the pause, and to the auditor if it makes a gap")
	case len(o.Why) > maxWhy || !printable(o.Why):
		return fault.New(fault.Request, "the reason is longer than %d bytes, or not plain text", maxWhy)
	}
	return nil
}

func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// refuse answers with an error.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	p := problem(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.code())
	json.NewEncoder(w).Encode(p) //nolint:errcheck // who has gone away need not know
}
