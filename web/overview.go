package web

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// named is how many packs the first line names before it says "and more".
const named = 3

// most is how many packs the page shows unless it is asked for all: browsers
// do not like tables of ten thousands, least of all every 30 seconds.
const most = 1000

// counts is what the first lines of the page are made of.
type counts struct {
	Packs                          int
	Look, Sealed, Working, Waiting int // packs by state; Look are those that somebody should see to
	Reports, Gaps                  int // slots, of all packs
}

// overview is the page of all packs.
type overview struct {
	page
	Paused  bool
	Counts  counts
	Summary string
	Some    string // that there are more packs than rows, or empty
	Rows    []row
}

// row is one pack on the page.
type row struct {
	Pack    Pack   // not embedded: templates find promoted fields slowly
	Label   string // its name, or its key when it has none
	Link    string
	Mark    string // the state, for shape and color
	Word    string // the state, in words
	Look    bool
	Sealed  moment
	Next    moment
	LastGap moment
	Paused  moment // since when
	Why     string // what the latest gap's reason means
	Size    string
	Hash    string // the first 12 digits
}

func (s *Server) serveOverview(w http.ResponseWriter, r *http.Request) {
	o := overview{page: s.newPage(r), Paused: r.URL.Query().Has("pause")}
	packs := s.opts.Packs()
	order := make([]int, len(packs)) // the packs themselves are not ours to move
	for i, p := range packs {
		o.Counts.add(p)
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank(packs[a]), rank(packs[b])) })
	if len(order) > most && !r.URL.Query().Has("all") {
		order = order[:most]
		o.Some = o.W.some(most, len(packs))
	}
	zones := zones{}
	for _, i := range order {
		o.Rows = append(o.Rows, o.row(packs[i], zones))
	}
	var look []string
	for _, r := range o.Rows[:min(named, o.Counts.Look)] {
		look = append(look, r.Label)
	}
	o.Title = o.W.headline(o.Counts, look)
	o.Summary = o.W.summary(o.Counts)
	if !o.Paused {
		// As a header and not as an element, and with a way to stop it: a page
		// that changes under a screen reader's cursor is a nuisance.
		w.Header().Set("Refresh", "30")
	}
	s.show(w, http.StatusOK, "overview.html", o, o.W)
}

// row makes p's row.
func (p page) row(pack Pack, zones zones) row {
	r := row{
		Pack:    pack,
		Label:   cmp.Or(pack.Name, pack.Key),
		Link:    p.Link(packPath(pack)),
		Mark:    mark(pack.State),
		Word:    p.W.state(pack.State),
		Look:    rank(pack) == 0,
		Sealed:  p.W.moment(pack.LastSealed.Truncate(time.Minute), p.time, time.UTC),
		Next:    p.W.moment(pack.NextDue, p.time, zones.find(pack.TimeZone)),
		LastGap: p.W.moment(pack.LastGap, p.time, time.UTC),
		Why:     p.W.reason(pack.LastReason),
		Hash:    pack.LastSHA256[:min(12, len(pack.LastSHA256))],
	}
	r.Sealed.Relative = p.W.relativeTo(pack.LastSealed, p.time)
	if pack.Paused != nil {
		r.Paused = p.W.moment(pack.Paused.Since, p.time, time.UTC)
	}
	if pack.LastSHA256 != "" {
		r.Size = size(pack.LastSize)
	}
	return r
}

// add counts a pack.
func (c *counts) add(p Pack) {
	c.Packs++
	c.Reports += p.SealedCount
	c.Gaps += p.GapCount
	switch p.State {
	case "sealed":
		c.Sealed++
	case "working":
		c.Working++
	case "waiting":
		c.Waiting++
	default: // also a state that nobody told us of: better one look too many
		c.Look++
	}
}

// rank orders packs: those that need a look, those that met trouble, those at
// work, the rest.
func rank(p Pack) int {
	switch {
	case p.State != "sealed" && p.State != "working" && p.State != "waiting":
		return 0
	case p.Trouble != "":
		return 1
	case p.State == "working":
		return 2
	}
	return 3
}

// mark returns the state if there is a shape for it, or "unknown".
func mark(state string) string {
	if slices.Contains([]string{"sealed", "gap", "working", "overdue", "waiting"}, state) {
		return state
	}
	return "unknown"
}
