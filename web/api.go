package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"packseal.example/archive"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// How many slots /api/v1/slots answers with at a time.
const (
	slotsDefault = 100
	slotsMost    = 1000
)

// packList is the answer of /api/v1/packs.
type packList struct {
	Packs []Pack `json:"packs"`
}

// slotList is the answer of /api/v1/slots, the newest slot first. Next, where
// there are older ones, is the "before" to ask for them with.
type slotList struct {
	Slots []archive.Record `json:"slots"`
	Next  string           `json:"next,omitempty"`
}

// problem is what the API answers instead.
type problem struct {
	Error string `json:"error"`
	Hint  string `json:"hint"`
}

func (s *Server) servePacks(w http.ResponseWriter, _ *http.Request) {
	packs := s.opts.Packs()
	if packs == nil {
		packs = []Pack{} // [] in JSON, not null
	}
	s.answer(w, http.StatusOK, packList{packs})
}

func (s *Server) serveSlots(w http.ResponseWriter, r *http.Request) {
	q, bad := parseQuery(r.URL.RawQuery)
	if bad != nil {
		s.answer(w, http.StatusBadRequest, bad)
		return
	}
	pack, ok := s.find(q.source, q.pack)
	if !ok {
		s.answer(w, http.StatusNotFound, problem{"no such pack: " + q.source + "/" + q.pack, "/api/v1/packs lists them all"})
		return
	}
	list, more, err := s.slots(r.Context(), pack, q.before, q.limit)
	if err != nil {
		code := http.StatusInternalServerError
		if fault.Transient(err) {
			code = http.StatusServiceUnavailable
		}
		s.opts.Logger.Error("the slots of a pack could not be read", "pack", pack.Key, "reason", fault.Of(err), "err", err)
		s.answer(w, code, problem{err.Error(), fault.Hint(err)})
		return
	}
	found := slotList{Slots: list}
	if more {
		found.Next = list[len(list)-1].Due.UTC().Format(evidence.DueFormat)
	}
	s.answer(w, http.StatusOK, found)
}

// query is what /api/v1/slots was asked for.
type query struct {
	source, pack string
	limit        int
	before       time.Time
}

// parseQuery reads the parameters, and takes none that it does not know: a
// misspelt "before" would answer with the wrong slots.
func parseQuery(raw string) (q query, bad *problem) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, &problem{"the query is malformed", "escape it as a URL wants it: ?source=prod&pack=cp-…"}
	}
	for name := range values {
		if !slices.Contains([]string{"source", "pack", "limit", "before"}, name) {
			return q, &problem{"no such parameter: " + name, "there are source, pack, limit and before"}
		}
	}
	q = query{source: values.Get("source"), pack: values.Get("pack"), limit: slotsDefault}
	if q.source == "" || q.pack == "" {
		return q, &problem{"source and pack are required", "/api/v1/packs names them all"}
	}
	if text := values.Get("limit"); text != "" {
		q.limit, err = strconv.Atoi(text)
		if err != nil || q.limit < 1 || q.limit > slotsMost {
			return q, &problem{"limit is not a number from 1 to " + strconv.Itoa(slotsMost), "leave it out for " + strconv.Itoa(slotsDefault)}
		}
	}
	if q.before, err = parseBefore(values.Get("before")); err != nil {
		return q, &problem{"before is not a time", "write it as 20060102T150405Z or 2006-01-02T15:04:05Z"}
	}
	return q, nil
}

// answer writes v as JSON.
func (s *Server) answer(w http.ResponseWriter, code int, v any) {
	var body bytes.Buffer // so that a fault is a 500 and not half an answer
	if err := json.NewEncoder(&body).Encode(v); err != nil {
		s.opts.Logger.Error("an answer could not be encoded", "err", err)
		http.Error(w, "encoding the answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(body.Bytes())
}
