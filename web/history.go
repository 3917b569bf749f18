package web

import (
	"fmt"
	"net/http"
	"time"

	"packseal.example/internal/evidence"
)

// historyRows is how many slots a pack's page shows at a time.
const historyRows = 400

// history is the page of one pack.
type history struct {
	page
	Row    row
	Slots  []slotRow
	Older  string // the address of the next page, or empty
	Newest string // the address of the first page, or empty if this is it
	Fault  string // why the list ends too early, or empty
}

// slotRow is one slot on the page.
type slotRow struct {
	evidence.Record
	Mark, Word   string
	Due, Settled timestamp
	After        string // how long after its due time the report was fetched, or who imported it
	Size         string
	Why          string
	Ack          *evidence.Ack // of a gap; nil = none is in force
	AckUntil     timestamp
}

func (s *Server) serveHistory(w http.ResponseWriter, r *http.Request) {
	h := history{page: s.newPage(r)}
	pack, ok := s.find(r.PathValue("source"), r.PathValue("pack"))
	if !ok {
		h.Title = h.L.NotFound
		s.render(w, http.StatusNotFound, "error.html", h, h.L)
		return
	}
	before, err := parseTime(r.URL.Query().Get("before"))
	if err != nil {
		h.Title = h.L.Bad
		s.render(w, http.StatusBadRequest, "error.html", h, h.L)
		return
	}
	zones := zones{}
	h.in(zones.find(pack.TimeZone))
	h.Row = h.row(pack, zones)
	h.Title = h.Row.Label
	q := Query{Source: pack.Source, Pack: pack.Key, To: before, Limit: historyRows}
	list, more, err := s.records(r.Context(), q)
	if err != nil {
		s.logUnread(r, q, err)
		h.Fault = err.Error()
	}
	acks := s.acks(r.Context(), list)
	for _, record := range list {
		h.Slots = append(h.Slots, h.slotRow(record, acks[record.Slot]))
	}
	if more {
		h.Older = h.With("before", list[len(list)-1].Due.UTC().Format(evidence.DueFormat))
	}
	if !before.IsZero() {
		h.Newest = h.With("before", "")
	}
	s.render(w, http.StatusOK, "history.html", h, h.L)
}

// slotRow returns the record's row, with the acknowledgement of a gap.
func (p page) slotRow(record evidence.Record, ack *evidence.Ack) slotRow {
	row := slotRow{
		Record:  record,
		Mark:    mark(string(record.State)),
		Word:    p.word(record),
		Due:     p.L.timestamp(record.Due, p.time, p.zone),
		Settled: p.L.timestamp(record.Settled.Truncate(time.Second), p.time, p.zone),
		Why:     p.L.reason(record.Reason),
		Ack:     ack,
	}
	if ack != nil {
		row.AckUntil = p.L.timestamp(ack.Until, p.time, p.zone)
	}
	if record.SHA256 != "" { // the manifest has been read
		row.Size = size(record.Size)
		row.After = fmt.Sprintf(p.L.After, time.Duration(record.LateSeconds)*time.Second)
		if record.Imported != "" {
			row.After = fmt.Sprintf(p.L.Imported, record.Imported)
		}
	}
	return row
}

// word names how a slot ended.
func (p page) word(r evidence.Record) string {
	if r.Pruned {
		return p.L.Pruned
	}
	return p.L.state(string(r.State))
}
