package control

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"packseal.example/archive/catalog"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// serveList lists the queue. It writes each line as soon as it is known: a queue
// may be long.
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
	l, err := s.daemon.List(r.Context(), sel)
	if err != nil {
		s.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	for _, p := range l.Pauses {
		lines.Encode(Line{Pause: &p}) //nolint:errcheck // the client is gone
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
			lines.Encode(Line{Error: NewProblem(err)}) //nolint:errcheck // likewise
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
	return post(s, "order", func(ctx context.Context, o Order) ([]Outcome, error) {
		if err := o.check(why); err != nil {
			return nil, err
		}
		return do(ctx, o)
	})
}

// serveSettled takes up a slot that is settled.
func (s *Server) serveSettled() http.HandlerFunc {
	return post(s, "slot", func(ctx context.Context, slot evidence.Slot) (struct{}, error) {
		return struct{}{}, s.daemon.Settled(ctx, slot)
	})
}

// serveReload reloads the configuration.
func (s *Server) serveReload() http.HandlerFunc {
	return post(s, "request", func(ctx context.Context, _ struct{}) (struct{}, error) {
		return struct{}{}, s.daemon.Reload(ctx)
	})
}

// post reads a value, and answers with what comes of it.
func post[V, A any](s *Server, what string, do func(context.Context, V) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var value V
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder)).Decode(&value); err != nil {
			s.refuse(w, fault.New(fault.Request, "reading the %s: %w", what, err))
			return
		}
		answer, err := do(r.Context(), value)
		if err != nil {
			s.refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer) //nolint:errcheck // the client is gone
	}
}

// check checks an order's limits: its words are stored, logged and shown.
func (o Order) check(why bool) error {
	switch {
	case len(o.Names) == 0 || len(o.Names) > mostNames:
		return fault.New(fault.Request, "from 1 to %d sources and packs can be named at once, not %d", mostNames, len(o.Names))
	case o.By == "" || len(o.By) > longestBy || !printable(o.By):
		return fault.New(fault.Request, "%.20q is not somebody's name", o.By)
	case o.For < 0 || o.For > longestPause:
		return fault.New(fault.Request, "a pause of %s: from 1s to %s", o.For, longestPause).WithHint("without --for it lasts until queue resume")
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

// serveRecords lists records.
func (s *Server) serveRecords(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.Query())
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.stream(w, s.daemon.Records(r.Context(), q))
}

// serveStatus says how the daemon is doing.
func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(s.daemon.Status(r.Context())) //nolint:errcheck // the client is gone
}

// serveSeen lists the slots that were seen in the archive.
func (s *Server) serveSeen(w http.ResponseWriter, r *http.Request) {
	s.stream(w, func(yield func(evidence.Record, error) bool) {
		for l, err := range s.daemon.Seen(r.Context()) {
			if !yield(evidence.Record{Slot: l.Slot, State: l.State}, err) {
				return
			}
		}
	})
}

// stream writes each record as it comes. A history may be long, and reading it
// slow: only a client that takes nothing for a while is cut off.
func (s *Server) stream(w http.ResponseWriter, records iter.Seq2[evidence.Record, error]) {
	writer, began := http.NewResponseController(w), false
	lines := json.NewEncoder(w)
	write := func(l RecordLine) bool {
		if !began {
			w.Header().Set("Content-Type", "application/x-ndjson")
			began = true
		}
		return writer.SetWriteDeadline(time.Now().Add(patience)) == nil && lines.Encode(l) == nil
	}
	for r, err := range records {
		var l RecordLine
		if err != nil {
			l.Error = NewProblem(err)
		}
		switch failed := r.Pack == ""; {
		case failed && !began:
			s.refuse(w, err)
			return
		case failed:
			write(l)
			return
		}
		l.Record = &r
		if !write(l) {
			return
		}
	}
	write(RecordLine{End: true})
}

// parseQuery reads a query for records.
func parseQuery(v url.Values) (q catalog.Query, err error) {
	q = catalog.Query{Source: v.Get("source"), Pack: v.Get("pack"), State: evidence.State(v.Get("state")), Oldest: v.Has("oldest")}
	for name, at := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		if text := v.Get(name); text != "" {
			if *at, err = time.Parse(time.RFC3339, text); err != nil {
				return q, fault.New(fault.Request, "%s: %.40q is not a time", name, text)
			}
		}
	}
	if limit := v.Get("limit"); limit != "" {
		if q.Limit, err = strconv.Atoi(limit); err != nil || q.Limit < 0 {
			return q, fault.New(fault.Request, "%.20q is not a limit", limit)
		}
	}
	return q, nil
}

// formatQuery writes what parseQuery reads.
func formatQuery(q catalog.Query) url.Values {
	v := url.Values{"source": {q.Source}, "pack": {q.Pack}, "state": {string(q.State)}, "limit": {strconv.Itoa(q.Limit)}}
	if !q.From.IsZero() {
		v.Set("from", q.From.Format(time.RFC3339Nano))
	}
	if !q.To.IsZero() {
		v.Set("to", q.To.Format(time.RFC3339Nano))
	}
	if q.Oldest {
		v.Set("oldest", "")
	}
	return v
}
