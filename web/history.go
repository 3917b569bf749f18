package web

import (
	"fmt"
	"net/http"
	"time"

	"packseal.example/archive"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
)

// historyMost is how many slots a pack's page shows at a time.
const historyMost = 400

// history is the page of one pack.
type history struct {
	page
	Row    row
	Slots  []slotRow
	Older  string // the address of what is older, or empty
	Newest string // the address of the first page, or empty when this is it
	Fault  string // why the history ends too early, or empty
}

// slotRow is one slot on the page.
type slotRow struct {
	archive.Record
	Mark, Word   string
	Due, Settled moment
	After        string // how long after its due time the report was there
	Size         string
	Why          string
}

func (s *Server) serveHistory(w http.ResponseWriter, r *http.Request) {
	h := history{page: s.newPage(r)}
	pack, ok := s.find(r.PathValue("source"), r.PathValue("pack"))
	if !ok {
		h.Title = h.W.NotFound
		s.show(w, http.StatusNotFound, "error.html", h, h.W)
		return
	}
	before, err := parseBefore(r.URL.Query().Get("before"))
	if err != nil {
		h.Title = h.W.Bad
		s.show(w, http.StatusBadRequest, "error.html", h, h.W)
		return
	}
	h.Row = h.row(pack, zones{})
	h.Title = h.Row.Label
	list, more, err := s.slots(r.Context(), pack, before, historyMost)
	if err != nil {
		s.opts.Logger.Error("the slots of a pack could not be read", "pack", pack.Key, "reason", fault.Of(err), "err", err)
		h.Fault = err.Error()
	}
	for _, record := range list {
		h.Slots = append(h.Slots, h.slotRow(record))
	}
	if more {
		h.Older = h.With("before", list[len(list)-1].Due.UTC().Format(evidence.DueFormat))
	}
	if !before.IsZero() {
		h.Newest = h.With("before", "")
	}
	s.show(w, http.StatusOK, "history.html", h, h.W)
}

// slotRow makes a record's row.
func (p page) slotRow(record archive.Record) slotRow {
	row := slotRow{
		Record:  record,
		Mark:    mark(string(record.State)),
		Word:    p.W.state(string(record.State)),
		Due:     p.W.moment(record.Due, p.time, time.UTC),
		Settled: p.W.moment(record.Settled.Truncate(time.Second), p.time, time.UTC),
		Why:     p.W.reason(record.Reason),
	}
	if record.State == archive.Sealed {
		row.Size = size(record.Size)
		row.After = fmt.Sprintf(p.W.After, time.Duration(record.LateSeconds)*time.Second)
	}
	return row
}
