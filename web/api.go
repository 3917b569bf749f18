package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// How many slots /api/v1/slots returns at a time.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// packList is the response of /api/v1/packs.
type packList struct {
	Packs []packItem `json:"packs"`
}

// packItem is a pack, with its due times in its zone as well.
type packItem struct {
	Pack
	Kind         string    `json:"kind"`
	LastDueLocal time.Time `json:"last_due_local,omitzero"`
	NextDueLocal time.Time `json:"next_due_local,omitzero"`
}

// slotList is the response of /api/v1/slots, the newest slot first. If there are
// older ones, Next is the value of "before" that asks for them.
type slotList struct {
	Slots      []slot `json:"slots"`
	Next       string `json:"next,omitempty"`
	Zone       string `json:"time_zone"`            // the pack's
	Incomplete bool   `json:"incomplete,omitempty"` // the pack's history is still being read: slots are missing
}

// slot is a settled slot, with its due time in the pack's zone as well.
type slot struct {
	evidence.Record
	DueLocal time.Time     `json:"due_local"`
	Ack      *evidence.Ack `json:"ack,omitempty"` // of a gap, that is in force
}

// problem is the response of the API to a bad request.
type problem struct {
	Error string `json:"error"`
	Hint  string `json:"hint"`
}

func (s *Server) servePacks(w http.ResponseWriter, _ *http.Request) {
	zones, list := zones{}, packList{[]packItem{}} // [] in JSON, not null
	for _, p := range s.opts.Packs() {
		zone := zones.find(p.TimeZone)
		list.Packs = append(list.Packs, packItem{p, p.kind(), local(p.LastDue, zone), local(p.NextDue, zone)})
	}
	s.respond(w, http.StatusOK, list)
}

// local returns a time in a zone; the zero time stays as it is.
func local(t time.Time, zone *time.Location) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(zone)
}

func (s *Server) serveLedger(w http.ResponseWriter, _ *http.Request) {
	if l := s.ledger(); l != nil {
		s.respond(w, http.StatusOK, l)
		return
	}
	s.respond(w, http.StatusNotFound, problem{"no ledger is configured", "docs/ledger.md says how to turn it on"})
}

// ledger returns how the ledger is; nil = there is none.
func (s *Server) ledger() *evidence.LedgerStatus {
	if s.opts.Ledger == nil {
		return nil
	}
	return s.opts.Ledger()
}

func (s *Server) serveSlots(w http.ResponseWriter, r *http.Request) {
	q, bad := parseQuery(r.URL.RawQuery)
	if bad != nil {
		s.respond(w, http.StatusBadRequest, bad)
		return
	}
	pack, ok := s.find(q.Source, q.Pack)
	if !ok {
		s.respond(w, http.StatusNotFound, problem{"no such pack: " + q.Source + "/" + q.Pack, "/api/v1/packs lists all packs"})
		return
	}
	list, more, err := s.records(r.Context(), q)
	if err != nil {
		code := http.StatusInternalServerError
		if fault.Transient(err) {
			code = http.StatusServiceUnavailable
		}
		s.logUnread(r, q, err)
		s.respond(w, code, problem{err.Error(), fault.Hint(err)})
		return
	}
	zone := zones{}.find(pack.TimeZone)
	answer := slotList{Zone: zone.String(), Slots: []slot{}, Incomplete: pack.Counts == nil} // [] in JSON, not null
	acks := s.acks(r.Context(), list)
	for _, r := range list {
		answer.Slots = append(answer.Slots, slot{r, r.Due.In(zone), acks[r.Slot]})
	}
	if more {
		answer.Next = list[len(list)-1].Due.UTC().Format(evidence.DueFormat)
	}
	s.respond(w, http.StatusOK, answer)
}

// logUnread logs that records could not be read.
func (s *Server) logUnread(r *http.Request, q Query, err error) {
	s.opts.Logger.ErrorContext(r.Context(), "reading slots failed", "source", q.Source, "pack", q.Pack, "reason", fault.Of(err), "err", err)
}

// parameters are those of /api/v1/slots.
var parameters = []string{"source", "pack", "state", "from", "to", "before", "limit"}

// parseQuery parses the parameters. An unknown one is refused: with a misspelled
// "before", the response would be the wrong slots.
func parseQuery(raw string) (q Query, bad *problem) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, &problem{"the query is malformed", "escape it like any URL: ?source=prod&pack=cp-…"}
	}
	for name := range values {
		if !slices.Contains(parameters, name) {
			return q, &problem{"unknown parameter: " + name, "the parameters are " + strings.Join(parameters, ", ")}
		}
	}
	q = Query{Source: values.Get("source"), Pack: values.Get("pack"), State: evidence.State(values.Get("state")), Limit: defaultLimit}
	if q.Source == "" || q.Pack == "" {
		return q, &problem{"source and pack are required", "/api/v1/packs lists all packs"}
	}
	if q.State != "" && q.State != evidence.Sealed && q.State != evidence.Gapped {
		return q, &problem{"unknown state", fmt.Sprintf("use %s or %s, or leave it out for both", evidence.Sealed, evidence.Gapped)}
	}
	if text := values.Get("limit"); text != "" {
		q.Limit, err = strconv.Atoi(text)
		if err != nil || q.Limit < 1 || q.Limit > maxLimit {
			return q, &problem{fmt.Sprintf("limit must be a number from 1 to %d", maxLimit), fmt.Sprintf("leave it out for %d", defaultLimit)}
		}
	}
	return q, q.parsePeriod(values)
}

// parsePeriod sets the query's period. "to" bounds what is asked for; "before"
// is where the page that is asked for begins.
func (q *Query) parsePeriod(values url.Values) *problem {
	var before time.Time
	for name, t := range map[string]*time.Time{"from": &q.From, "to": &q.To, "before": &before} {
		var err error
		if *t, err = parseTime(values.Get(name)); err != nil {
			return &problem{name + " is not a time", "write it as 20060102T150405Z, 2006-01-02T15:04:05Z or 2006-01-02"}
		}
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		return &problem{"from is not before to", "from is included, to is not"}
	}
	if !before.IsZero() && (q.To.IsZero() || before.Before(q.To)) {
		q.To = before
	}
	return nil
}

// respond writes v as JSON.
func (s *Server) respond(w http.ResponseWriter, code int, v any) {
	var body bytes.Buffer // encoded first, so that an error is a 500 and not half a response
	if err := json.NewEncoder(&body).Encode(v); err != nil {
		s.opts.Logger.Error("encoding response failed", "err", err)
		http.Error(w, "encoding the response", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(body.Bytes())
}
